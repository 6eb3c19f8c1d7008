"""What the process needs to know of torch: its threads after a fork, its memory between batches.

Importing the module is enough.
"""

import os

import torch

# The threads of torch's pool don't survive a fork: a child that hands work to them waits for ever.
# With one thread it never does, and the workers of `nlp.pipe(n_process=...)` share the cores.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

# The GNU allocator gives every freed block above a threshold back to the system, and the next batch
# pays for its pages anew, a quarter of the time. The threshold rises to the largest block that was
# ever freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). So one is freed, which was never written
# and thus never had pages. Then up to 64 MiB stay with the process. Elsewhere it does nothing.
torch.empty(32_000_000, dtype=torch.uint8)
