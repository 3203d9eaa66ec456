"""Work shared out to processes, with results in the order of what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from ground.errors import DataError

Result = TypeVar("Result")


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


def in_order(
    work: Callable[..., Result],
    *items: Sequence[Any],
    workers: int,
    folder: Path,
    prepare: Callable[..., None] | None = None,
    prepared: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """``map(work, *items)``; the results do not depend on the number of processes.

    Args:
        work: A function of a module, for processes to find.
        items: As for ``map``, of one length.
        workers: Processes; with 1 the work is done here.
        folder: What is worked on, named in errors.
        prepare: Called once in each process first.
        prepared: Its arguments.

    Raises:
        DataError: A process died.
    """
    count = min(workers, len(items[0]))
    if count <= 1:
        if prepare:
            prepare(*prepared)
        yield from map(work, *items)
        return
    with process_pool(count, prepare=prepare, prepared=prepared) as pool:
        try:
            yield from pool.map(work, *items)
        except BrokenProcessPool as error:
            raise DataError(
                f"{folder}: expected every worker to finish, got one that died; is memory short? Use fewer workers"
            ) from error
