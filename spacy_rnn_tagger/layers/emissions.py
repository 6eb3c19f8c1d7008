"""From hidden states to the scores of tags."""

from collections.abc import Callable

import torch
from thinc.model import Model
from thinc.types import Ragged
from thinc.util import torch2xp, xp2torch

from ..modules.isolation import isolated_forward
from .output import allocate


def Emissions(nO: int | None = None) -> Model[Ragged, Ragged]:  # noqa: N802
    """Score the tags of each token by a linear map, W x + b.

    All weights begin at zero: an untrained model prefers no tag, and of equals decoding takes
    the first, which is "O".

    Args:
        nO: Number of tags K; set from the labels if None. *Output:* (N, K).
    """
    params = {"W": None, "b": None}
    dims = {"nI": None, "nO": nO}
    return Model("emissions", _forward, init=_init, params=params, dims=dims)


@isolated_forward
def _forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    H, W, b = (xp2torch(array) for array in (X.dataXd, *map(model.get_param, ("W", "b"))))

    def backprop(dY: Ragged) -> Ragged:
        d_scores = xp2torch(model.ops.as_contig(dY.dataXd))
        model.inc_grad("W", torch2xp(d_scores.T @ H))
        model.inc_grad("b", torch2xp(d_scores.sum(0)))
        return Ragged(torch2xp(d_scores @ W), X.lengths)

    return Ragged(torch2xp(torch.addmm(b, H, W.T)), X.lengths), backprop


def _init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    allocate(model)
