"""From hidden states to the scores of tags."""

from collections.abc import Callable

import torch
from thinc.model import Model
from thinc.types import Ragged

from ..modules.isolation import isolated_forward
from .output import allocate
from .tensors import as_array, as_tensor


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
    H, W, b = (as_tensor(array) for array in (X.dataXd, *map(model.get_param, ("W", "b"))))

    def backprop(dY: Ragged) -> Ragged:
        d_scores = as_tensor(model.ops.as_contig(dY.dataXd))
        model.inc_grad("W", as_array(d_scores.T @ H))
        model.inc_grad("b", as_array(d_scores.sum(0)))
        return Ragged(as_array(d_scores @ W), X.lengths)

    return Ragged(as_array(torch.addmm(b, H, W.T)), X.lengths), backprop


def _init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    allocate(model)
