"""What the host has set in torch for its own networks, kept out of ours.

Under `torch.autocast` a product would be in 16 bits, which NumPy does not have; in
`torch.inference_mode` nothing can be trained; and the threads of torch's pool don't survive a fork:
a child that hands work to them waits for ever.

In training, some of our kernels run side by side (see `modules.side_by_side`), and torch's pool is
in their way: after a kernel, its threads keep their cores busy for some milliseconds, waiting for
another. So all other kernels of a step leave a core to them.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeAlias

import torch

from ..runtime import was_forked, works_beside_others

# As Thinc has them: from a model, its input, and whether it is trained, to the output and the way
# back.
_Forward: TypeAlias = Callable[[Any, Any, bool], tuple[Any, Callable[[Any], Any]]]


_nothing: AbstractContextManager[Any] = nullcontext()
_thread = threading.local()  # `n_host`: the host's number of threads, inside `room_beside`


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


def room_beside() -> AbstractContextManager[Any]:
    """Compute with one thread less than the host has, except for what runs side by side.

    The thread that calls waits while others compute, so as many threads as before are active.
    """
    if hasattr(_thread, "n_host") or torch.get_num_threads() == 1 or wants_one_thread():
        return _nothing
    return _room_beside()


@contextmanager
def _room_beside() -> Iterator[None]:
    _thread.n_host = torch.get_num_threads()
    try:
        with n_threads(_thread.n_host - 1):
            yield
    finally:
        del _thread.n_host


def host_threads() -> int:
    """Get the number of torch's threads outside `room_beside`."""
    number: int = getattr(_thread, "n_host", torch.get_num_threads())
    return number


@contextmanager
def n_threads(number: int) -> Iterator[None]:
    """Compute with some of torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def isolated_forward(forward: _Forward) -> Any:
    """Make a layer's forward pass compute isolated, and its backward pass too."""

    @wraps(forward)
    def run(model: Any, X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        with isolated(), room_beside() if is_train else _nothing:
            Y, backprop = forward(model, X, is_train)

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


def wants_one_thread() -> bool:
    """Tell whether more threads would hang, or would take the cores from other workers."""
    is_set = "OMP_NUM_THREADS" in os.environ or "MKL_NUM_THREADS" in os.environ
    return was_forked() or (works_beside_others() and not is_set)
