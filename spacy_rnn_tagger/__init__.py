"""Recurrent named-entity recognition for spaCy.

Nothing needs to be imported from here: the component ``rnn_ner``, its architectures and the
``spacy rnn`` commands register themselves through entry points.
"""
