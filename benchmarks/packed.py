"""The default network on `PackedSequence`, as most taggers in torch have it, to compare with."""

from collections.abc import Callable

import torch
from thinc.api import chain, list2ragged, ragged2list
from thinc.model import Model
from thinc.types import Ragged
from thinc.util import torch2xp, xp2torch
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from spacy_rnn_tagger.modules.rnn import Weights
from spacy_rnn_tagger.types import TaggerModel

_DIRECTIONS = ("forward", "backward")


def pack(model: TaggerModel) -> None:
    """Replace a tagger's recurrent layer (one bidirectional LSTM) and its blocks."""
    rnn = model.get_ref("rnn")
    layer = Model("rnn_packed", _forward, init=_init, layers=[rnn], attrs=dict(rnn.attrs))
    scorer = chain(layer, model.get_ref("emissions"))
    embed_and_read = model.get_ref("tagger").layers[0]
    embed_and_read.layers[1] = chain(list2ragged(), scorer, ragged2list())
    model.set_ref("scorer", scorer)


def _forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    rnn = model.layers[0]
    names = [f"{name}_{way}_0" for way in _DIRECTIONS for name in Weights._fields]
    inputs = xp2torch(X.dataXd, requires_grad=is_train)
    weights = [xp2torch(rnn.get_param(name), requires_grad=is_train) for name in names]
    rate = max(model.attrs["dropout"], model.attrs["dropout_rate"]) if is_train else 0.0
    with torch.set_grad_enabled(is_train):
        outputs = _run(torch.dropout(inputs, rate, is_train), X.lengths.tolist(), weights)
        outputs = torch.dropout(outputs, rate, is_train)

    def backprop(dY: Ragged) -> Ragged:
        dX, *gradients = torch.autograd.grad(
            outputs, [inputs, *weights], grad_outputs=xp2torch(dY.dataXd)
        )
        for name, gradient in zip(names, gradients, strict=True):
            rnn.inc_grad(name, torch2xp(gradient))
        return Ragged(torch2xp(dX), X.lengths)

    return Ragged(torch2xp(outputs.detach()), X.lengths), backprop


def _run(inputs: torch.Tensor, lengths: list[int], weights: list[torch.Tensor]) -> torch.Tensor:
    padded = pad_sequence(list(inputs.split(lengths)))
    packed = pack_padded_sequence(padded, torch.tensor(lengths), enforce_sorted=False)
    params = [each for W, U, b in (weights[:3], weights[3:]) for each in (W, U, b, b * 0)]
    state = inputs.new_zeros(2, len(lengths), weights[1].shape[1])
    train = torch.is_grad_enabled()
    data, *_ = torch.lstm(
        packed.data, packed.batch_sizes, [state, state], params, True, 1, 0.0, train, True
    )
    packed = PackedSequence(
        data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
    )
    unpacked, _ = pad_packed_sequence(packed)
    return torch.cat([unpacked[:length, i] for i, length in enumerate(lengths)])


def _init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    model.layers[0].initialize(X=X, Y=Y)
