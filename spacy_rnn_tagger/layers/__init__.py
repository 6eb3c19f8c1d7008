"""Thinc layers, one a file, and the index arithmetic they share (`blocks`, `layout`).

Only here do arrays become tensors.

Shapes are written in capitals: N tokens of a batch, B docs, T the longest doc, U distinct words,
W embed width, H hidden width of one direction, K tags.
"""
