"""Thinc layers, one a file: the only place where arrays become tensors.

Shapes are written in capitals: N tokens of a batch, B docs, T the longest doc, U distinct words,
W embed width, H hidden width of one direction, K tags.
"""
