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
    # Spawned, not forked: the caller may run threads (a progress bar, torch), and a fork copies their locks.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=prepare, initargs=prepared) as pool:
        try:
            yield from pool.map(work, *items)
        except BrokenProcessPool as error:
            raise DataError(
                f"{folder}: expected every worker to finish, got one that died; is memory short? Use fewer workers"
            ) from error
