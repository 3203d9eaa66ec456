"""The settings under which torch gives the same bits again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Run a block seeded, with deterministic algorithms, on one thread; all three are as before afterwards.

    One thread, because sums are split by threads: results would depend on the number of cores. That holds for the
    libraries below numpy and scikit-learn too.

    Args:
        seed: Seeds torch's global generator, from which initial weights and the order of batches come.
    """
    threads = torch.get_num_threads()
    mode = torch.get_deterministic_debug_mode()
    with threadpool_limits(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # As ``use_deterministic_algorithms``, which imports torch's compiler: seconds in a process that needs none.
        torch.set_deterministic_debug_mode("error")
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(mode)
