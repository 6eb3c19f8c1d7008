"""The component `rnn_ner` and its contract with spaCy.

`rnn_ner` has the component. What a doc already says (`constraints`) and gold annotation (`gold`)
become masks on the tag lattice; `losses` trains on them, `inference` predicts under them, and
`span_groups` keeps the confidences of what was found.
"""
