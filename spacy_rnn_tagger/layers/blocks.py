"""A batch in blocks of docs of similar length: little padding, and arrays that fit the cache."""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from thinc.backends import Ops
from thinc.model import Model
from thinc.types import Floats2d, Ragged


class Costs(NamedTuple):
    """What is known of a device. A block costs its steps, whatever their width, and a start.

    Attributes:
        start: What takes as long as the start of a block, in tokens.
        width: Docs that take as long as the steps of a block of their length do by themselves.
        predict: Tokens of a block at most, in prediction, unless a doc is longer.
        train: The same in training, where more is kept of each.
    """

    start: int
    width: int
    predict: int
    train: int


# On a CPU, what is computed for a block should stay in the cache. These numbers were measured,
# with the LSTM of the default config. A GPU likes wide blocks; its numbers were not measured.
CPU = Costs(160, 1, 8192, 4096)
_GPU = Costs(0, 256, 1 << 20, 1 << 18)

ListModel: TypeAlias = Model[list[Floats2d], list[Floats2d]]


def InBlocks(layer: Model[Ragged, Ragged]) -> ListModel:  # noqa: N802 - a layer's constructor
    """Apply a layer to docs of similar length at a time; its result must not depend on that."""
    dims = {"nO": layer.maybe_get_dim("nO")}
    return Model("in_blocks", _forward, init=_init, layers=[layer], dims=dims)


def _forward(
    model: ListModel, docs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    layer, ops = model.layers[0], model.ops
    costs = CPU if ops.device_type == "cpu" else _GPU
    size = costs.train if is_train else costs.predict
    lengths = [len(doc) for doc in docs]
    blocks = list(find_blocks(lengths, size, costs))
    outputs, callbacks = [], []
    for block in blocks:
        output, backprop_block = layer(_joined(ops, docs, block), is_train)
        outputs.append(output.dataXd)
        if is_train:  # what it holds of a block's states is more than all else
            callbacks.append(backprop_block)

    def in_order(arrays: list[Floats2d]) -> list[Floats2d]:
        found: dict[int, Floats2d] = {}
        for block, array in zip(blocks, arrays, strict=True):
            found.update(zip(block, split(array, [lengths[i] for i in block]), strict=True))
        return [found[i] for i in range(len(docs))]

    def backprop(d_outputs: list[Floats2d]) -> list[Floats2d]:
        d_blocks = (_joined(ops, d_outputs, block) for block in blocks)
        d_inputs = (run(d_block) for run, d_block in zip(callbacks, d_blocks, strict=True))
        return in_order([d_input.dataXd for d_input in d_inputs])

    return in_order(outputs), backprop


def find_blocks(lengths: list[int], size: int, costs: Costs) -> Iterator[list[int]]:
    """Part docs into blocks, where padding a doc would cost more than a block of its own.

    All blocks but the last have a power of two of docs, or one and a half times that. A kernel is
    compiled for each shape of a block (see `layout`), and docs that a block leaves over cost no
    more in the next one.

    Args:
        lengths: Tokens of each doc.
        size: Tokens of a block at most, padding included, unless a doc is longer.
        costs: Of a block.

    Yields:
        The numbers of a block's docs, the longest first; empty docs are in the last block.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    begin = 0
    while begin < len(order):
        end = _find_end(lengths, order, begin, size, costs)
        if end < len(order):
            end = begin + _rounded_down(end - begin)
        yield order[begin:end]
        begin = end


def _find_end(lengths: list[int], order: list[int], begin: int, size: int, costs: Costs) -> int:
    """Find the place in the order after the last doc of a block, which has one doc at least."""
    longest, padding = lengths[order[begin]], 0
    for end in range(begin + 1, len(order)):
        length = lengths[order[end]]
        if not length:  # an empty doc has no column in a block
            break
        padding += longest - length
        too_large = (end - begin + 1) * longest > size
        if too_large or padding > costs.start + costs.width * length:
            return end
    return len(order)


def _rounded_down(n_docs: int) -> int:
    """Round down to 1, 2, 3, 4, 6, 8, 12, 16 and so on."""
    highest = 1 << (n_docs.bit_length() - 1)
    between = highest + highest // 2
    return between if n_docs >= between else highest


def split(rows: Floats2d, lengths: list[int]) -> list[Floats2d]:
    """Part rows into views of them, as Thinc's `Ops.unflatten` does, which takes ten times as long.

    Args:
        lengths: Rows of each part.
    """
    ends = list(accumulate(lengths))
    return [rows[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _joined(ops: Ops, arrays: list[Floats2d], block: list[int]) -> Ragged:
    own = [arrays[i] for i in block]
    lengths = ops.asarray1i([len(array) for array in own])
    return Ragged(own[0] if len(own) == 1 else ops.flatten(own), lengths)


def _init(
    model: ListModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None
) -> None:
    joined = None if X is None else _joined(model.ops, X, list(range(len(X))))
    model.layers[0].initialize(X=joined)
