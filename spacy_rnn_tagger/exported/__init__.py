"""Pipelines without torch: the network in ONNX, all else as it is.

`graphs` writes the network down, `export` makes a pipeline of it, `layers` runs it, and
`architectures` is what the exported pipeline's config names. The last two need no torch, and
`rnn_ner` itself needs none: its decoding is NumPy.
"""
