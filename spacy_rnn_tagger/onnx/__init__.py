"""Pipelines without torch: the network in ONNX, everything else as it is.

`exporting` holds the public function. `graphs` writes a network down as ONNX graphs, `conversion`
exchanges the model of a component for them, `layers` runs them, and `architectures` holds what the
config of an exported pipeline names. Running needs no torch: the last two do not import it, and
`rnn_ner` itself decodes in NumPy.
"""
