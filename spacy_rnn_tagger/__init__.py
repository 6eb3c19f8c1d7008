"""Recurrent named-entity recognition for spaCy.

The component ``rnn_ner``, its architectures and the ``spacy rnn`` commands register themselves
through entry points; nothing needs to be imported for them. What is here reads their results.
"""

from .groups import confidence

__all__ = ["confidence"]
