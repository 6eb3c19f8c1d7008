"""From hidden states to the scores of tags, with a CRF's transitions beside them."""

from collections.abc import Callable

from thinc.backends import Ops
from thinc.model import Model
from thinc.types import Floats2d, FloatsXd, Ragged

from ..errors import check_choice
from ..types import TagScores

DECODERS = ("crf", "softmax")
_CRF_PARAMS = ("transitions", "start", "end")
# How far below "O" a tag begins that is added to a trained output: e**-10 of its probability.
_MARGIN = 10.0


def Output(*, decoder: str, nO: int | None = None) -> Model[Ragged, TagScores]:  # noqa: N802
    """Create a linear output, W x + b, and for "crf" the scores of transitions.

    All weights begin at zero: an untrained model prefers no tag, and of equals decoding takes
    the first, which is "O".

    decoder: "crf" or "softmax".
    nO: number of tags K; set from the labels if None.

    RAISES ValueError: the decoder is not known.
    """
    check_choice("decoder", decoder, DECODERS)
    params = {"W": None, "b": None}
    if decoder == "crf":
        params.update(dict.fromkeys(_CRF_PARAMS))
    return Model(
        "tag_output",
        _forward,
        init=_init,
        params=params,
        dims={"nI": None, "nO": nO},
        attrs={"decoder": decoder},
    )


def resized(model: Model[Ragged, TagScores], nO: int) -> Model[Ragged, TagScores]:
    """Create an output with more tags, whose best paths are still those of the smaller one.

    A new tag copies the weights and transitions of "O", and its bias is lower by a margin. So each
    path through a new tag has a better one, with "O" in its place, whatever the input.

    It is a new node, because an optimizer keeps moments of the old shapes for the old one.
    """
    new = Output(decoder=model.attrs["decoder"], nO=nO)
    if model.has_dim("nI"):
        new.set_dim("nI", model.get_dim("nI"))
    if model.has_param("W"):
        for name, shape in _shapes(new).items():
            param = model.get_param(name)
            grown = _copy_first(model.ops, param, shape)
            if name == "b":
                grown[len(param) :] -= _MARGIN
            new.set_param(name, grown)
            if model.has_grad(name):
                grad = model.get_grad(name)
                new.set_grad(name, model.ops.alloc(shape))
                new.get_grad(name)[tuple(map(slice, grad.shape))] = grad
    return new


def _copy_first(ops: Ops, array: FloatsXd, shape: tuple[int, ...]) -> FloatsXd:
    """Enlarge an array by copies of the first element along each axis, that of the tag "O"."""
    sources = (
        ops.xp.where(ops.xp.arange(size) < known, ops.xp.arange(size), 0)
        for size, known in zip(shape, array.shape, strict=True)
    )
    grown: FloatsXd = array[ops.xp.ix_(*sources)]
    return grown


def _shapes(model: Model[Ragged, TagScores]) -> dict[str, tuple[int, ...]]:
    K = model.get_dim("nO")
    shapes: dict[str, tuple[int, ...]] = {"W": (K, model.get_dim("nI")), "b": (K,)}
    if model.attrs["decoder"] == "crf":
        shapes.update(transitions=(K, K), start=(K,), end=(K,))
    return shapes


def _forward(
    model: Model[Ragged, TagScores], X: Ragged, is_train: bool
) -> tuple[TagScores, Callable[[TagScores], Ragged]]:
    H: Floats2d = X.dataXd
    W = model.get_param("W")
    emissions = model.ops.gemm(H, W, trans2=True) + model.get_param("b")
    learned = _CRF_PARAMS if model.attrs["decoder"] == "crf" else ()
    lengths = model.ops.to_numpy(X.lengths).tolist()
    scores = TagScores(emissions, lengths, *(model.get_param(name) for name in learned))

    def backprop(d_scores: TagScores) -> Ragged:
        dY = d_scores.emissions
        model.inc_grad("W", model.ops.gemm(dY, H, trans1=True))
        model.inc_grad("b", dY.sum(axis=0))
        for name in learned:
            model.inc_grad(name, getattr(d_scores, name))
        return Ragged(model.ops.gemm(dY, W), X.lengths)

    return scores, backprop


def _init(
    model: Model[Ragged, TagScores], X: Ragged | None = None, Y: TagScores | None = None
) -> None:
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    for name, shape in _shapes(model).items():
        model.set_param(name, model.ops.alloc(shape))
