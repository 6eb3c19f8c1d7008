"""The tag lattice and exact inference on it, in NumPy: no spaCy, no Thinc, no torch.

Start with `tag_scheme` (labels, tags, and which tag may follow which) and `lattice` (the scores of
all that a path can use). The recursions are in `forward_backward` (over `scaled_sums`, with the
exponentials of transitions from `transition_weights`), `viterbi` and `n_best`; what follows from
them is in `posteriors` (confidences) and `likelihood` (losses and their gradients).

Shapes: N tokens of a batch, B docs, L tokens of one doc, K tags, S spans.
"""
