"""Torch kernels: tensors in, tensors out, nothing of spaCy or Thinc.

Shapes: N tokens of a batch, B docs, T the longest doc, W input width, H hidden width of one
direction, G gates of a cell.
"""
