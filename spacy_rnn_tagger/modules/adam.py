"""One step of Adam on a CPU, in place, by torch's fused kernel."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.adam import adam

from .isolation import room_beside

# Torch has a fused kernel for CPUs since 2.4; before that it computes the same in more passes.
_HAS_KERNEL = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4)


def adam_step(
    weights: NDArray[np.float32],
    gradient: NDArray[np.float32],
    mom1: NDArray[np.float32],
    mom2: NDArray[np.float32],
    *,
    n_steps: int,
    learn_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
) -> None:
    """Change weights by a step of Adam (Kingma and Ba 2015), as Thinc computes it.

    Torch corrects the bias of `sqrt(mom2)` before it adds `eps`, and Thinc after. So `eps` is
    scaled, and the results are those of Thinc.

    Args:
        weights: What is learned. (S,)
        gradient: The gradient of a loss with respect to the weights. (S,)
        mom1: The moving average of gradients. (S,)
        mom2: That of their squares. (S,)
        n_steps: The number of the step, from 1.
        learn_rate: The learning rate.
        beta1: The share of `mom1` that is kept.
        beta2: The share of `mom2` that is kept.
        eps: What is added to the root of `mom2`.
        decay: The share of the weights that is lost after the step.
    """
    tensor = torch.from_numpy(weights)
    with room_beside():
        adam(
            [tensor],
            [torch.from_numpy(gradient)],
            [torch.from_numpy(mom1)],
            [torch.from_numpy(mom2)],
            [],
            [torch.tensor(n_steps - 1.0, device="cpu")],  # torch counts the step itself
            fused=_HAS_KERNEL,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=learn_rate,
            weight_decay=0.0,
            eps=eps / (1.0 - beta2**n_steps) ** 0.5,
            maximize=False,
        )
        if decay:
            tensor.mul_(1.0 - decay)


def move_average(average: NDArray[np.float32], weights: NDArray[np.float32], share: float) -> None:
    """Move an average towards weights, in place.

    Args:
        average: The average. (S,)
        weights: The weights. (S,)
        share: By which share of the difference.
    """
    with room_beside():
        torch.from_numpy(average).lerp_(torch.from_numpy(weights), share)
