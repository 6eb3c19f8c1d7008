"""Loss and decoding on the tag lattice: the network's scores, what is legal, what is allowed.

Legal is what the scheme permits at all; allowed is what is known of a doc: its gold annotation in
training, or what must not be predicted. Both decoders use the same lattice. The softmax decoder has
no transitions of its own, and in training normalises each token by itself.
"""

import numpy as np
import torch
from spacy.errors import Errors
from thinc.api import Ops
from thinc.util import torch2xp, xp2torch
from torch import Tensor

from ..modules.crf import Lattice, forward_backward, viterbi
from ..modules.padding import Padding
from ..tags import TagScheme
from ..types import BoolArray, IntArray, TagScores

_FORBIDDEN = float("-inf")


def loss_and_gradient(
    ops: Ops, scores: TagScores, scheme: TagScheme, allowed: BoolArray
) -> tuple[float, TagScores]:
    """Compute -log P(a path that gold allows | doc), summed over the docs, and its gradient.

    For the CRF that is log Z(legal) - log Z(legal and allowed). For softmax it is the cross-entropy
    of the tokens: -log of the probability of the allowed tags, which is 0 where all are allowed.

    scores: of K tags.
    allowed: the tags that annotation leaves open. *Shape:* (N, K).

    RAISES ValueError: the scores are not finite (spaCy's E940), or annotation contradicts the
        scheme, so that no path is left.
    """
    emissions = xp2torch(scores.emissions)
    if not bool(torch.isfinite(emissions).all()):
        raise ValueError(Errors.E940)
    mask = torch.from_numpy(allowed).to(emissions.device)
    if scores.transitions is None:
        log_p = torch.log_softmax(emissions.double(), dim=1)
        # An allowed share that rounds to nothing costs what the smallest double does, not infinity.
        allowed_log_p = torch.logsumexp(log_p.masked_fill(~mask, _FORBIDDEN), dim=1, keepdim=True)
        gradient = log_p.exp() - (log_p - allowed_log_p).exp() * mask
        return float(-allowed_log_p.sum()), TagScores(_array(ops, gradient), scores.lengths)
    padding = Padding(scores.lengths, emissions.device)
    lattice = _lattice(scores, scheme)
    free = forward_backward(lattice, padding)
    gold = forward_backward(
        lattice._replace(emissions=lattice.emissions.masked_fill(~mask, _FORBIDDEN)), padding
    )
    impossible = torch.nonzero(~torch.isfinite(gold.log_partition)).flatten().tolist()
    if impossible:
        raise ValueError(
            f"The annotation of doc(s) {impossible} of the batch contradicts the scheme "
            f"'{scheme.scheme}': no legal sequence of tags agrees with it."
        )
    gradients = (
        _array(ops, getattr(free, name) - getattr(gold, name))
        for name in ("tags", "transitions", "start", "end")
    )
    d_emissions, *d_learned = gradients
    loss = float((free.log_partition - gold.log_partition).sum())
    return loss, TagScores(d_emissions, scores.lengths, *d_learned)


def decode(scores: TagScores, scheme: TagScheme, allowed: BoolArray | None = None) -> IntArray:
    """Find the best legal and allowed path of each doc.

    RETURNS: tag numbers, all docs in one array. *Shape:* (N,).
    """
    lattice = _lattice(scores, scheme)
    if allowed is not None:
        mask = torch.from_numpy(allowed).to(lattice.emissions.device)
        lattice = lattice._replace(emissions=lattice.emissions.masked_fill(~mask, _FORBIDDEN))
    padding = Padding(scores.lengths, lattice.emissions.device)
    return np.asarray(viterbi(lattice, padding).cpu().numpy(), dtype=np.int64)


def _lattice(scores: TagScores, scheme: TagScheme) -> Lattice:
    emissions = xp2torch(scores.emissions)
    if scores.transitions is None:
        learned = [torch.zeros(()) for _ in range(3)]
    else:
        learned = [xp2torch(array) for array in (scores.transitions, scores.start, scores.end)]
    legal = (scheme.legal_transitions, scheme.legal_start, scheme.legal_end)
    forbidden = torch.tensor(_FORBIDDEN, device=emissions.device)
    masked = (
        torch.where(
            torch.from_numpy(mask).to(emissions.device), array.to(emissions.device), forbidden
        )
        for mask, array in zip(legal, learned, strict=True)
    )
    return Lattice(emissions, *masked)


def _array(ops: Ops, gradient: Tensor):  # type: ignore[no-untyped-def]  # an array of the ops
    return ops.asarray(torch2xp(gradient.float()))
