"""Processes of this machine that work side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from ground.errors import DataError


def process_pool(
    workers: int, *, prepare: Callable[..., Any] | None = None, prepared: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """A pool of processes, spawned and not forked: the caller may run threads, and a fork copies their locks.

    Args:
        workers: How many.
        prepare: Called once in each process first.
        prepared: Its arguments.

    Raises:
        DataError: The machine gives no semaphores, as in a container without shared memory.
    """
    try:
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=prepare, initargs=prepared)
    except OSError as error:
        raise DataError(
            f"shared memory: expected leave to lock in /dev/shm, got {error}; mount it there, with mode 1777"
        ) from error
