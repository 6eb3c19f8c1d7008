"""Recurrent named-entity recognition for spaCy.

The component ``rnn_ner``, its architectures and the ``spacy rnn`` commands register themselves
through entry points; nothing needs to be imported for them, and importing changes nothing in the
process. What is here reads their results, and sets up a process that asks for it.
"""

from .groups import confidence
from .runtime import tune_process

__all__ = ["confidence", "tune_process"]
