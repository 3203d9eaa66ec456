"""Engines: who does a piece of work for each of many items, here or elsewhere."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import parent_process
from typing import Any, Final, Generic, Protocol, TypeVar

from ground.cores import CORES
from ground.errors import DataError
from ground.pool import process_pool
from ground.progress import Progress

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

ITEMS_AHEAD = 2
"""Items that are handed out for each worker: the next one waits beside it, and memory stays bounded."""

DIED: Final = "expected a worker to live through it, got several that died over it; is memory short?"
_DEATHS: Final = 3
"""So many workers die over an item, which each of them had alone, before it is given up."""


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

    workers: int = CORES

    def each(
        self, work: Callable[..., Result], items: Iterable[tuple[Any, ...]], *, where: str, progress: Progress
    ) -> Generator[Done[Result], None, None]:
        """See ``Engine``; what a process had that died is done again, an item at a time.

        Raises:
            DataError: Processes die before they have anything to do, or the machine gives no semaphores.
        """
        del progress
        left = iter(items)
        first = list(islice(left, 2))
        if self.workers <= 1 or len(first) <= 1:
            yield from (Done(index, work(*item)) for index, item in enumerate(chain(first, left)))
            return
        bench = _Bench(work, where)
        numbered = enumerate(chain(first, left))
        while True:
            under_way: dict[int, tuple[Any, ...]] = {}
            with bench.pool(self.workers) as pool, suppress(BrokenProcessPool):
                yield from _drained(pool, numbered, under_way, self.workers * ITEMS_AHEAD)
                return
            yield from bench.one_by_one(under_way)


def _drained(
    pool: ProcessPoolExecutor,
    numbered: Iterator[tuple[int, tuple[Any, ...]]],
    under_way: dict[int, tuple[Any, ...]],
    most: int,
) -> Iterator[Done[Any]]:
    """Results as they come; ``under_way`` holds the items that were taken and gave none so far, by index.

    Raises:
        BrokenProcessPool: A process died.
    """
    futures: dict[Future[Any], int] = {}
    while True:
        for index, item in islice(numbered, most - len(under_way)):
            under_way[index] = item
            futures[pool.submit(_do, item)] = index
        if not futures:
            return
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            result = future.result()
            index = futures.pop(future)
            del under_way[index]
            yield Done(index, result)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Makes processes that hold a piece of work.

    Attributes:
        work: The work.
        where: What is worked on, named in errors.
    """

    work: Callable[..., Any]
    where: str

    @contextmanager
    def pool(self, workers: int) -> Iterator[ProcessPoolExecutor]:
        """Processes of this machine, until the block ends; nothing waits for items that have not begun."""
        pool = process_pool(workers, prepare=_begin, prepared=(self.work,))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)

    def one_by_one(self, items: dict[int, tuple[Any, ...]]) -> Iterator[Done[Any]]:
        """The results of items one of which ended a process: alone with each, a process tells which one it was.

        Raises:
            DataError: A process died before it had any.
        """
        left = deque(items.items())
        deaths = 0
        while left:
            with self.pool(1) as pool, suppress(BrokenProcessPool):
                self._check_start(pool)
                while left:
                    index, item = left[0]
                    result = pool.submit(_do, item).result()
                    left.popleft()
                    deaths = 0
                    yield Done(index, result)
                return
            deaths += 1
            if deaths == _DEATHS:
                deaths = 0
                yield Done(left.popleft()[0], Lost(DIED))

    def _check_start(self, pool: ProcessPoolExecutor) -> None:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise DataError(
                f"{self.where}: expected a worker to start, got one that died; is memory short? Use fewer workers"
            ) from error


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
