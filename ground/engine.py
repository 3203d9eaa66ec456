"""Engines: who does a piece of work for each of many items, here or elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import parent_process
from typing import Any, Generic, Protocol, TypeVar

from ground.errors import DataError
from ground.pool import process_pool
from ground.progress import Progress

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

ITEMS_AHEAD = 2
"""Items that are handed out for each worker: the next one waits beside it, and memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for the result of an item whose workers died, one after the other; the text says what to do."""

    text: str


@dataclass(frozen=True, slots=True)
class Done(Generic[Result_co]):
    """The result of the item at ``index``."""

    index: int
    result: Result_co | Lost


class Engine(Protocol):
    """Does work for items; what it gives does not depend on which engine it is."""

    def each(
        self, work: Callable[..., Result], items: Iterable[tuple[Any, ...]], *, where: str, progress: Progress
    ) -> Generator[Done[Result], None, None]:
        """Results as they come, in any order; only some items for each worker are under way at a time.

        To be closed by who does not take all of them.

        Args:
            work: Called with the members of each item; it can be pickled, and goes to each worker once.
            items: Taken one by one as workers get free.
            where: What is worked on, named in errors.
            progress: Told while workers are started.

        Raises:
            DataError: Workers are missing, or cannot do this work.
        """


def in_order(done: Iterable[Done[Result]]) -> Iterator[Result | Lost]:
    """The results in the order of their items; those that came early wait."""
    early: dict[int, Result | Lost] = {}
    due = 0
    for each in done:
        early[each.index] = each.result
        while due in early:
            yield early.pop(due)
            due += 1


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Processes of this machine.

    Attributes:
        workers: How many; with 1 the work is done in this process.
    """

    workers: int = os.cpu_count() or 1

    def each(
        self, work: Callable[..., Result], items: Iterable[tuple[Any, ...]], *, where: str, progress: Progress
    ) -> Generator[Done[Result], None, None]:
        """See ``Engine``.

        Raises:
            DataError: A process died, or the machine gives no semaphores.
        """
        del progress
        left = iter(items)
        first = list(islice(left, 2))
        if self.workers <= 1 or len(first) <= 1:
            yield from (Done(index, work(*item)) for index, item in enumerate(chain(first, left)))
            return
        pool = process_pool(self.workers, prepare=_begin, prepared=(work,))
        try:
            yield from _drained(pool, chain(first, left), self.workers * ITEMS_AHEAD)
        except BrokenProcessPool as error:
            raise DataError(
                f"{where}: expected every worker to finish, got one that died; is memory short? Use fewer workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _drained(pool: ProcessPoolExecutor, items: Iterator[tuple[Any, ...]], most: int) -> Iterator[Done[Any]]:
    numbered = enumerate(items)
    under_way: dict[Future[Any], int] = {}
    while True:
        for index, item in islice(numbered, most - len(under_way)):
            under_way[pool.submit(_do, item)] = index
        if not under_way:
            return
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            yield Done(under_way.pop(future), future.result())


_WORK: list[Callable[..., Any]] = []


def _begin(work: Callable[..., Any]) -> None:
    _WORK[:] = [work]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent tells its pool nothing: without this its workers would wait for it for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(item: tuple[Any, ...]) -> Any:
    return _WORK[0](*item)
