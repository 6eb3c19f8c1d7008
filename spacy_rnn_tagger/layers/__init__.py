"""Thinc layers, one per file, and the index arithmetic that they share (`blocks`, `layout`).

Arrays become tensors only here.

Shapes are written in capitals: N tokens of a batch, B docs, T the longest doc, U distinct words,
W embed width, H hidden width of one direction, K tags.
"""
