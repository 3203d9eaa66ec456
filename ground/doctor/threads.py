"""Whether torch starts, with how many threads, and whether processes can work side by side."""

from __future__ import annotations

import os

from edge_agent.finding import Finding, fail, fine, warn


def check_torch() -> Finding:
    """Import it, which is what breaks most often, and compare its threads with the cores that this process may use."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return fail("torch", f"expected it to load, got {error}", "make clean setup; it needs glibc 2.28 or later")
    cores = len(os.sched_getaffinity(0))
    return judged_threads(torch.get_num_threads(), cores, torch.__version__)


def check_processes() -> Finding:
    """Whether processes can share locks: simulation, features and batches run on all cores."""
    from ground.errors import DataError
    from ground.pool import process_pool

    try:
        process_pool(1).shutdown()
    except DataError as error:
        return fail("processes", str(error), "mount -t tmpfs -o mode=1777 tmpfs /dev/shm")
    return fine("processes", "can share locks")


def judged_threads(threads: int, cores: int, version: str) -> Finding:
    """More threads than cores wait for each other."""
    text = f"{version}, {threads} threads on {cores} cores"
    if threads > cores:
        return warn("torch", text, f"export OMP_NUM_THREADS={cores}")
    return fine("torch", text)
