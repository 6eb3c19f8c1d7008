"""From hidden states to the scores of tags, with a CRF's transitions beside them."""

from collections.abc import Callable

from thinc.model import Model
from thinc.types import Floats2d, Ragged

from ..errors import check_choice
from ..types import TagScores

DECODERS = ("crf", "softmax")
_CRF_PARAMS = ("transitions", "start", "end")


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


def resize(model: Model[Ragged, TagScores], nO: int) -> None:
    """Grow the output to more tags; the scores of those that were there stay what they are.

    The new tags' transitions are zero and their emissions start at zero, like an untrained model's.
    """
    model.set_dim("nO", nO, force=True)
    if not model.has_param("W"):
        return
    ops = model.ops
    for name, shape in _shapes(model).items():
        old = model.get_param(name)
        new = ops.alloc(shape)
        new[tuple(slice(0, size) for size in old.shape)] = old
        model.set_param(name, new)
        if model.has_grad(name):
            grad = ops.alloc(shape)
            grad[tuple(slice(0, size) for size in old.shape)] = model.get_grad(name)
            model.set_grad(name, grad)


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
