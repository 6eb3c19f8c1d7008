"""A batch in blocks of docs of similar length: little padding, and arrays that fit the cache."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from thinc.model import Model
from thinc.types import Floats2d


class Costs(NamedTuple):
    """What is known of a device.

    block: the docs that cost as much as another block of their length, whose steps are work for
        the kernel, whatever their width.
    predict: tokens of a block at most, in prediction, unless a doc is longer.
    train: the same in training, where more is kept of each.
    """

    block: int
    predict: int
    train: int


# On a CPU, what is computed of a block had better stay in the cache. These numbers were measured,
# with the LSTM of the default config. A GPU likes wide blocks; its numbers were not measured.
_CPU = Costs(3, 8192, 4096)
_GPU = Costs(256, 1 << 20, 1 << 18)

ListModel: TypeAlias = Model[list[Floats2d], list[Floats2d]]


def InBlocks(layer: ListModel) -> ListModel:  # noqa: N802 - a layer's constructor
    """Apply a layer to docs of similar length at a time; its result must not depend on that."""
    dims = {"nO": layer.maybe_get_dim("nO")}
    return Model("in_blocks", _forward, init=_init, layers=[layer], dims=dims)


def _forward(
    model: ListModel, docs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    layer = model.layers[0]
    costs = _CPU if model.ops.device_type == "cpu" else _GPU
    size = costs.train if is_train else costs.predict
    blocks = list(find_blocks([len(doc) for doc in docs], size, costs.block))
    results = [layer([docs[i] for i in block], is_train) for block in blocks]

    def backprop(d_outputs: list[Floats2d]) -> list[Floats2d]:
        d_inputs = [
            callback([d_outputs[i] for i in block])
            for block, (_, callback) in zip(blocks, results, strict=True)
        ]
        return _in_order(blocks, d_inputs)

    return _in_order(blocks, [output for output, _ in results]), backprop


def find_blocks(lengths: list[int], size: int, cost: int) -> Iterator[list[int]]:
    """Part docs into blocks, where padding a doc would cost more than a block of its own.

    lengths: tokens of each doc.
    size: tokens of a block at most, padding included, unless a doc is longer.
    cost: of a block, in docs.
    """
    block: list[int] = []
    longest = padding = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        length = lengths[i]
        if block and length:  # an empty doc has no column in a block
            padding += longest - length
            if padding > cost * length or (len(block) + 1) * longest > size:
                yield block
                block = []
        if not block:
            longest, padding = length, 0
        block.append(i)
    if block:
        yield block


def _in_order(blocks: list[list[int]], arrays: list[list[Floats2d]]) -> list[Floats2d]:
    order = [i for block in blocks for i in block]
    found = dict(zip(order, (array for own in arrays for array in own), strict=True))
    return [found[i] for i in range(len(order))]


def _init(
    model: ListModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None
) -> None:
    model.layers[0].initialize(X=X)
