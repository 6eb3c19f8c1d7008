"""The last layer: the scores of tags, and the transitions of a CRF."""

from collections.abc import Callable
from typing import Any

from thinc.backends import Ops
from thinc.model import Model
from thinc.types import Floats2d, FloatsXd

from ..errors import check_choice
from ..types import TagScores
from .blocks import split

DECODERS = ("crf", "softmax")
_TRANSITIONS = ("transitions", "start", "end")
# How far below "O" a tag begins that is added to a trained output: e**-10 of its probability.
MARGIN = 10.0


def TagOutput(  # noqa: N802
    decoder: str, nO: int | None = None
) -> Model[list[Floats2d], TagScores]:
    """Put what the decoder needs into one: emissions, and for "crf" the scores of transitions.

    Transitions begin at zero. For "softmax" there is nothing to learn here.

    Args:
        decoder: "crf" or "softmax".
        nO: Number of tags K.

    Raises:
        ValueError: The decoder is not known.
    """
    check_choice("decoder", decoder, DECODERS)
    return Model(
        "tag_output",
        _forward_output,
        init=_init_output,
        params=dict.fromkeys(_TRANSITIONS if decoder == "crf" else ()),
        dims={"nO": nO},
        attrs={"decoder": decoder},
    )


def resized(model: Model[Any, Any], new: Model[Any, Any]) -> Model[Any, Any]:
    """Fill a layer with more tags from one with fewer; best paths are still those of the smaller.

    A new tag copies the weights and transitions of "O", and its bias is lower by a margin. So each
    path through a new tag has a better one, with "O" in its place, whatever the input. A layer with
    fewer tags gets the first ones: the shapes for weights that are about to be loaded.

    Args:
        new: A layer of the same kind. It is a new node, because an optimizer keeps moments of the
            old shapes for the old one.
    """
    if model.has_dim("nI"):
        new.set_dim("nI", model.get_dim("nI"))
    for name in model.param_names:
        if not model.has_param(name):
            continue
        param = model.get_param(name)
        grown = _copy_first(model.ops, param, _shape(new, name))
        if name == "b":
            grown[len(param) :] -= MARGIN
        new.set_param(name, grown)
        if model.has_grad(name):
            grad = model.get_grad(name)
            new.set_grad(name, model.ops.alloc(grown.shape))
            both = tuple(slice(min(sizes)) for sizes in zip(grad.shape, grown.shape, strict=True))
            new.get_grad(name)[both] = grad[both]
    return new


def grow(model: Model[Any, Any], ref: str, owner: Model[Any, Any], new: Model[Any, Any]) -> None:
    """Replace the layer that `ref` names by one with another number of tags, and fill it.

    Args:
        owner: The model whose layer it is.
        new: As of `resized`.
    """
    layer = model.get_ref(ref)
    owner.layers[owner.layers.index(layer)] = resized(layer, new)
    model.set_ref(ref, new)
    # The layers around it have as many outputs. Thinc saves their number, and loads no other one.
    for node in model.walk():
        if node.has_dim("nO") and new in node.walk():
            node.set_dim("nO", new.get_dim("nO"), force=True)


def _copy_first(ops: Ops, array: FloatsXd, shape: tuple[int, ...]) -> FloatsXd:
    """Enlarge an array by copies of the first element along each axis, that of the tag "O"."""
    sources = (
        ops.xp.where(ops.xp.arange(size) < known, ops.xp.arange(size), 0)
        for size, known in zip(shape, array.shape, strict=True)
    )
    grown: FloatsXd = array[ops.xp.ix_(*sources)]
    return grown


def _shape(model: Model[Any, Any], param: str) -> tuple[int, ...]:
    K = model.get_dim("nO")
    if param == "W":
        return K, model.get_dim("nI")
    return (K, K) if param == "transitions" else (K,)


def _forward_output(
    model: Model[list[Floats2d], TagScores], X: list[Floats2d], is_train: bool
) -> tuple[TagScores, Callable[[TagScores], list[Floats2d]]]:
    ops = model.ops
    lengths = [len(emissions) for emissions in X]
    learned = {name: model.get_param(name) for name in model.param_names}

    def backprop(d_scores: TagScores) -> list[Floats2d]:
        for name in learned:
            model.inc_grad(name, getattr(d_scores, name))
        return split(d_scores.emissions, lengths)

    if len(X) == 1:
        emissions = X[0]
    else:
        emissions = ops.flatten(X) if X else ops.alloc2f(0, model.get_dim("nO"))
    return TagScores(emissions, lengths, **learned), backprop


def _init_output(
    model: Model[list[Floats2d], TagScores],
    X: list[Floats2d] | None = None,
    Y: TagScores | None = None,
) -> None:
    allocate(model)


def allocate(model: Model[Any, Any]) -> None:
    """Set all parameters to zero, in their shapes."""
    for name in model.param_names:
        model.set_param(name, model.ops.alloc(_shape(model, name)))
