"""Pipelines without torch: the network in ONNX, everything else as it is.

`exporting` holds the public function. `graphs` writes a network as ONNX graphs, `conversion` puts
them into a component in place of its model, `layers` runs them, and `architectures` holds the
functions that the config of an exported pipeline names. Running needs no torch: the last two don't
import it, and `rnn_ner` itself decodes in NumPy.
"""
