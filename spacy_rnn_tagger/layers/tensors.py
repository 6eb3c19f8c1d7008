"""Arrays as tensors and back, sharing their memory.

Thinc's `xp2torch` and `torch2xp` work for every kind of array. They ask for the device each time
and take several microseconds per array, which for a short text adds up to a tenth of a prediction.
NumPy's arrays need none of that.
"""

import numpy as np
import torch
from thinc.api import get_current_ops
from thinc.types import FloatsXd
from thinc.util import torch2xp, xp2torch

# Names of Thinc's operations whose tensors are on the CPU. (Those of "mps" have NumPy's arrays.)
_ON_CPU = {"numpy", "apple", "bigendian"}


def as_tensor(array: FloatsXd) -> torch.Tensor:
    """View an array as a tensor: one of NumPy's on the device of Thinc's current operations."""
    if not isinstance(array, np.ndarray):
        # It stays on its GPU. In a thread that the host starts, Thinc's operations are the CPU's.
        on_gpu: torch.Tensor = xp2torch(array, device=torch.device("cuda", array.device.id))
        return on_gpu
    # Torch warns about an array that is read-only.
    if type(array) is np.ndarray and array.flags.writeable and get_current_ops().name in _ON_CPU:
        return torch.from_numpy(array)
    tensor: torch.Tensor = xp2torch(array)
    return tensor


def as_array(tensor: torch.Tensor) -> FloatsXd:
    """View a tensor as an array, without its gradient."""
    array: FloatsXd = tensor.detach().numpy() if tensor.is_cpu else torch2xp(tensor)
    return array
