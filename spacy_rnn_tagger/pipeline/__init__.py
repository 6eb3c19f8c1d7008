"""The component `rnn_ner` and its contract with spaCy.

`rnn_ner` contains the component. Annotation that a doc already has (`constraints`) and gold
annotation (`gold`) become masks on the tag lattice; `losses` trains on them, `inference` predicts
under them, and `span_groups` stores the confidences of the entities found.
"""
