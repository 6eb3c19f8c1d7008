"""What the host has set in torch for its own networks, kept out of ours.

Under `torch.autocast` a product would be in 16 bits, which NumPy does not have; in
`torch.inference_mode` nothing can be trained; and the threads of torch's pool don't survive a fork:
a child that hands work to them waits for ever.

Torch's pool is kept out as well, where it costs more than it gains: see `modules.threads`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeAlias

import torch

from .threads import n_threads, one_thread, room_beside, wants_one_thread

# As Thinc has them: from a model, its input, and whether it is trained, to the output and the way
# back.
_Forward: TypeAlias = Callable[..., tuple[Any, Callable[[Any], Any]]]


_nothing: AbstractContextManager[Any] = nullcontext()


def isolated() -> AbstractContextManager[Any]:
    """Compute in 32 bits, with gradients where they are wanted, and in workers with one thread."""
    changes: list[Callable[[], AbstractContextManager[Any]]] = []
    if torch.is_inference_mode_enabled():
        changes.append(lambda: torch.inference_mode(False))
    if _casts("cpu") or _casts("cuda"):
        changes += [lambda: _no_cast("cpu"), lambda: _no_cast("cuda")]
    if wants_one_thread():
        changes.append(lambda: n_threads(1))
    return _entered(changes) if changes else _nothing  # layers are called often; nothing is cheap


@contextmanager
def _entered(changes: list[Callable[[], AbstractContextManager[Any]]]) -> Iterator[None]:
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(change())
        yield


def _no_cast(device: str) -> AbstractContextManager[Any]:
    context: AbstractContextManager[Any] = torch.autocast(device, enabled=False)
    return context


def isolated_forward(forward: _Forward) -> Any:
    """Make a layer's forward pass compute isolated, and its backward pass too.

    Args:
        forward: The function. It may be bound to something else, before the model.
    """

    @wraps(forward)
    def run(*arguments: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        with isolated(), room_beside() if is_train else one_thread():
            Y, backprop = forward(*arguments, is_train)

        def run_backwards(dY: Any) -> Any:
            with isolated(), room_beside():
                return backprop(dY)

        return Y, run_backwards

    return run


def _casts(device: str) -> bool:
    try:
        return torch.is_autocast_enabled(device)
    except TypeError:  # before torch 2.4
        return bool(torch.is_autocast_cpu_enabled() if device == "cpu" else _casts_on_gpu())


def _casts_on_gpu() -> bool:
    return torch.is_autocast_enabled()
