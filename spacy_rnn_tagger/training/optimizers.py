"""The registered optimizer: Thinc's Adam, computed by torch's fused kernel."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from thinc.api import Optimizer
from thinc.backends import get_array_ops
from thinc.types import FloatsXd

from ..modules.adam import adam_step, move_average

# A number, or a schedule: one for each step.
_Rate: TypeAlias = float | list[float] | Iterable[float]
_Key: TypeAlias = tuple[int, str]
# Smaller arrays stay in the processor's cache, where Thinc's passes are cheaper than torch's calls.
_LARGE = 1 << 14
# What Thinc's averages keep at most of the average before a step.
_MAX_DECAY = 0.9999


def create_adam_v1(
    learn_rate: _Rate = 0.001,
    *,
    L2: _Rate = 0.0,  # noqa: N803 - Thinc's name
    beta1: _Rate = 0.9,
    beta2: _Rate = 0.999,
    eps: _Rate = 1e-8,
    grad_clip: _Rate = 1.0,
    L2_is_weight_decay: bool = True,  # noqa: N803
    use_averages: bool = True,
) -> Optimizer:
    """Create an optimizer that computes what Thinc's `Adam.v1` does, and faster on a CPU.

    The settings and their defaults are those of `Adam.v1`, and so are the results, up to rounding.
    Thinc passes over each array up to ten times per step, which counts in the large tables of
    hashed words; this optimizer passes over it five times, with the instructions that torch selects
    for the processor. On a GPU the step is Thinc's own.

    Args:
        learn_rate: The learning rate.
        L2: The weight of L2 regularisation.
        beta1: The share that the moving average of gradients keeps per step.
        beta2: The share that the moving average of squared gradients keeps per step.
        eps: A small number that keeps the divisor away from zero.
        grad_clip: The largest norm of a parameter's gradient; a gradient above it is scaled down.
            0 for no limit.
        L2_is_weight_decay: Let weights decay instead of adding to their gradients (Loshchilov and
            Hutter 2019).
        use_averages: Keep moving averages of the weights, which spaCy evaluates and saves.

    Returns:
        The optimizer.

    Raises:
        ValueError: A schedule is empty, or not a schedule.
    """
    return FusedAdam(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


class FusedAdam(Optimizer):
    """Thinc's `Optimizer`, whose step torch computes for large arrays on a CPU."""

    __slots__ = ()

    def __call__(
        self, key: _Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Change the weights of one parameter, and set its gradient to zero, both in place.

        Args:
            key: The number of the node and the name of the parameter.
            weights: The weights.
            gradient: The gradient of the loss with respect to them.
            lr_scale: What the learning rate is multiplied by.

        Returns:
            The weights and the gradient.
        """
        arrays = (weights, gradient)
        if weights.size < _LARGE or not all(map(_is_plain, arrays)):
            return super().__call__(key, weights, gradient, lr_scale=lr_scale)
        self.nr_update[key] += 1
        n_steps = self.nr_update[key]
        rate = lr_scale * self.learn_rate
        own, d_own = weights.reshape(-1), gradient.reshape(-1)
        if self.L2 and not self.L2_is_weight_decay:
            d_own += self.L2 * own
        if self.grad_clip:
            get_array_ops(d_own).clip_gradient(d_own, self.grad_clip)
        for moments in (self.mom1, self.mom2):
            if key not in moments:
                moments[key] = np.zeros_like(own)
        adam_step(
            own,
            d_own,
            self.mom1[key],
            self.mom2[key],
            n_steps=n_steps,
            learn_rate=rate,
            beta1=self.b1,
            beta2=self.b2,
            eps=self.eps,
            decay=rate * self.L2 if self.L2_is_weight_decay else 0.0,
        )
        gradient.fill(0.0)
        if self.averages is not None:
            if key not in self.averages:
                self.averages[key] = np.zeros_like(weights)
            kept = min((1.0 + n_steps) / (10.0 + n_steps), _MAX_DECAY)
            move_average(self.averages[key].reshape(-1), own, 1.0 - kept)
        return weights, gradient


def _is_plain(array: FloatsXd) -> bool:
    """Tell whether torch can change an array in place: on the CPU, in one piece, in 32 bits."""
    return isinstance(array, np.ndarray) and array.flags.c_contiguous and array.dtype == np.float32
