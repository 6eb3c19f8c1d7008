"""A maxout layer with layer normalisation, computed by torch."""

from collections.abc import Callable

import torch
from thinc.api import glorot_uniform_init
from thinc.model import Model
from thinc.types import Floats2d

from ..modules.isolation import isolated_forward
from .tensors import as_array, as_tensor

PIECES = 3
_PARAMS = ("W", "b", "G", "shift")
EPSILON = 1e-8


def Maxout(nO: int, nI: int) -> Model[Floats2d, Floats2d]:  # noqa: N802, N803 - as in Thinc
    """Take the largest of three linear maps, and normalise it.

    Goodfellow et al. (2013), "Maxout networks"; Ba et al. (2016), "Layer normalization". It is what
    spaCy's embeddings end in; torch's matrix product uses all threads, Thinc's one.

    *Input:* (U, nI). *Output:* (U, nO).
    """
    return Model(
        "maxout_norm",
        _forward,
        init=_init,
        params=dict.fromkeys(_PARAMS),
        dims={"nO": nO, "nI": nI, "nP": PIECES},
    )


@isolated_forward
def _forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    nO = model.get_dim("nO")
    inputs = as_tensor(X).requires_grad_(is_train)
    arrays = map(model.get_param, _PARAMS)
    params = [as_tensor(array).requires_grad_(is_train) for array in arrays]
    W, b, G, shift = params
    with torch.set_grad_enabled(is_train):
        pieces = torch.addmm(b, inputs, W.T).view(len(X), PIECES, nO)
        outputs = torch.nn.functional.layer_norm(pieces.amax(1), (nO,), G, shift, EPSILON)

    def backprop(dY: Floats2d) -> Floats2d:
        dX, *gradients = torch.autograd.grad(outputs, [inputs, *params], grad_outputs=as_tensor(dY))
        for name, gradient in zip(_PARAMS, gradients, strict=True):
            model.inc_grad(name, as_array(gradient))
        return as_array(dX)

    return as_array(outputs), backprop


def _init(
    model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None
) -> None:
    ops, nO, nI = model.ops, model.get_dim("nO"), model.get_dim("nI")
    # As in Thinc, Glorot's rule is applied to the first two dimensions.
    model.set_param("W", glorot_uniform_init(ops, (nO, PIECES, nI)).reshape(PIECES * nO, nI))
    model.set_param("b", ops.alloc1f(PIECES * nO))
    model.set_param("G", ops.alloc1f(nO) + 1)
    model.set_param("shift", ops.alloc1f(nO))
