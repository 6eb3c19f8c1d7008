"""A maxout layer with layer normalisation, computed by torch."""

from collections.abc import Callable, Sequence
from functools import partial, reduce

import torch
from thinc.api import glorot_uniform_init
from thinc.model import Model
from thinc.types import Floats2d
from torch import Tensor

from ..modules.isolation import isolated_forward
from ..modules.side_by_side import pays_side_by_side, run_one_by_one, run_side_by_side
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
    inputs = as_tensor(X)
    params = [as_tensor(array) for array in map(model.get_param, _PARAMS)]
    # Two halves, however many threads there are: a sum's last digits depend on its parts.
    beside = pays_side_by_side(inputs, is_train=is_train)
    parts = inputs.chunk(2) if beside else [inputs]
    run_all = run_side_by_side if beside else run_one_by_one
    runs = run_all([partial(_run, part, params, is_train) for part in parts])

    def backprop(dY: Floats2d) -> Floats2d:
        d_parts = as_tensor(dY).split([len(part) for part in parts])
        calls = [partial(run[1], d_part) for run, d_part in zip(runs, d_parts, strict=True)]
        d_inputs, d_params = zip(*run_all(calls), strict=True)
        for name, *gradients in zip(_PARAMS, *d_params, strict=True):
            model.inc_grad(name, as_array(reduce(torch.add, gradients)))
        return as_array(_joined(d_inputs))

    return as_array(_joined([outputs for outputs, _ in runs])), backprop


def _run(
    inputs: Tensor, params: Sequence[Tensor], is_train: bool
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]]]:
    """Compute some rows; in training, in a graph of their own."""
    leaves = [inputs, *params]
    if is_train:
        leaves = [array.detach().requires_grad_() for array in leaves]
    rows, W, b, G, shift = leaves
    with torch.set_grad_enabled(is_train):
        pieces = torch.addmm(b, rows, W.T).unflatten(1, (PIECES, -1))
        outputs = torch.nn.functional.layer_norm(pieces.amax(1), G.shape, G, shift, EPSILON)

    def backprop(d_outputs: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        d_rows, *d_params = torch.autograd.grad(outputs, leaves, d_outputs)
        return d_rows, d_params

    return outputs.detach(), backprop


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _init(
    model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None
) -> None:
    ops, nO, nI = model.ops, model.get_dim("nO"), model.get_dim("nI")
    # As in Thinc, Glorot's rule is applied to the first two dimensions.
    model.set_param("W", glorot_uniform_init(ops, (nO, PIECES, nI)).reshape(PIECES * nO, nI))
    model.set_param("b", ops.alloc1f(PIECES * nO))
    model.set_param("G", ops.alloc1f(nO) + 1)
    model.set_param("shift", ops.alloc1f(nO))
