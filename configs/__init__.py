"""The training configs, one file each. The wheel ships them as `spacy_rnn_tagger.configs`.

`python -m spacy rnn init-config` writes one of them for a user's own data.
"""
