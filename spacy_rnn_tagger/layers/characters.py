"""A word's characters by a convolution and a maximum over its positions (Ma and Hovy 2016)."""

from collections.abc import Callable
from typing import Any

import torch
from thinc.model import Model
from thinc.types import Floats2d

from ..errors import check_at_least
from ..modules.isolation import isolated_forward
from .character_rows import PAD, ROWS, character_rows
from .distinct_words import WordModel, Words
from .tensors import as_array, as_tensor

_WINDOW = 3


def Characters(width: int, char_width: int) -> WordModel:  # noqa: N802
    """Embed the characters of the word form, convolve windows of three, take the maximum.

    Args:
        width: Of the output. *Output:* (U, width).
        char_width: Of a character's embedding.
    """
    check_at_least("char_width", char_width, 1)
    return Model(
        "characters",
        _forward,
        init=_init,
        params={"E": None, "W": None, "b": None},
        dims={"nO": width, "nC": char_width},
    )


@isolated_forward
def _forward(
    model: WordModel, words: Words, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    names = ("E", "W", "b")
    E, W, b = (as_tensor(model.get_param(name)).requires_grad_(is_train) for name in names)
    rows = torch.from_numpy(character_rows(words)).to(E.device)
    with torch.set_grad_enabled(is_train):
        chars = torch.nn.functional.embedding(rows, E, padding_idx=PAD)  # (U, L, C)
        windows = torch.nn.functional.conv1d(chars.transpose(1, 2), W, b, padding=_WINDOW // 2)
        windows = windows.masked_fill((rows == PAD).unsqueeze(1), float("-inf"))
        outputs = windows.amax(dim=2)

    def backprop(dY: Floats2d) -> list[Any]:
        gradients = torch.autograd.grad(
            outputs, [E, W, b], grad_outputs=as_tensor(model.ops.as_contig(dY))
        )
        for name, gradient in zip(names, gradients, strict=True):
            model.inc_grad(name, as_array(gradient))
        return []

    return as_array(outputs), backprop


def _init(model: WordModel, X: Words | None = None, Y: Floats2d | None = None) -> None:
    C, O = model.get_dim("nC"), model.get_dim("nO")  # noqa: E741 - as in Thinc's nO
    xp = model.ops.xp
    bound = (6.0 / (C * _WINDOW + O)) ** 0.5
    table = xp.random.uniform(-((3.0 / C) ** 0.5), (3.0 / C) ** 0.5, (ROWS, C)).astype("float32")
    table[PAD] = 0.0  # and so it stays: it gets no gradient
    model.set_param("E", table)
    model.set_param("W", xp.random.uniform(-bound, bound, (O, C, _WINDOW)).astype("float32"))
    model.set_param("b", model.ops.alloc1f(O))
