"""The engine of a dask cluster: a running one, or one that lives on this machine as long as the work."""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, islice
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar, cast

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, get_worker
from distributed.client import FutureCancelledError
from distributed.diagnostics.plugin import WorkerPlugin

from ground.engine import DIED, ITEMS_AHEAD, Done, Lost
from ground.errors import DataError
from ground.progress import Progress
from ground.worker_platform import Platform

Result = TypeVar("Result")

_CONNECT_S: Final = 15.0
_WORKERS_S: Final = 60.0
_LOOK_S: Final = 2.0
_RESULT_S: Final = 600.0
_MOST_SHOWN: Final = 200
_PILE_S: Final = 0.3
"""Work that is worth a task: handing one out and taking its result costs scheduler and worker some 20 ms."""
_LARGEST_PILE: Final = 16
_STARTED = "cluster"

_NEAR: Final = {
    # An item that waits on a worker would be blamed for the death of one that runs there.
    "distributed.scheduler.worker-saturation": 1.0,
    # Nobody looks at the gauges of a cluster that ends with its run, and taking them wakes a busy worker.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


class _Bench(WorkerPlugin):  # type: ignore[misc]
    """Holds the work on each worker, also on those that come later or start again."""

    def __init__(self, work: Callable[..., Any], name: str) -> None:
        self.work = work
        self.name = name
        self.platform = Platform.here()

    def do(self, pile: list[tuple[Any, ...]]) -> _Worked:
        """The results of the items of a pile, one after the other, until its time is up: the first ones at least.

        Raises:
            DataError: Other software than the asking process's, whose results could differ from its.
        """
        here = Platform.here()
        if here != self.platform:
            raise DataError(f"worker: expected {self.platform}, got {here}; install the same on every machine")
        begun_s = time.monotonic()
        results: list[Any] = []
        seconds = 0.0
        for item in pile:
            results.append(self.work(*item))
            seconds = time.monotonic() - begun_s
            if seconds > _PILE_S:
                break
        return _Worked(results, seconds)


@dataclass(frozen=True, slots=True)
class _Worked:
    """The results of the first items of a pile, and how long they took together."""

    results: list[Any]
    seconds: float


def _do(bench: str, pile: list[tuple[Any, ...]]) -> _Worked:
    return cast("_Bench", get_worker().plugins[bench]).do(pile)


@dataclass(frozen=True, slots=True)
class DaskEngine:
    """A dask cluster.

    Attributes:
        workers: Processes of the cluster on this machine.
        scheduler: Address of a running cluster; empty for one on this machine.
    """

    workers: int
    scheduler: str = ""

    def each(
        self, work: Callable[..., Result], items: Iterable[tuple[Any, ...]], *, where: str, progress: Progress
    ) -> Generator[Done[Result], None, None]:
        """See ``ground.engine.Engine``; items of workers that die are done by others.

        Raises:
            DataError: No scheduler, no workers, or workers that cannot do this work.
        """
        with ExitStack() as stack:
            client = self._client(stack, progress)
            bench = _Bench(work, f"enginear-{uuid.uuid4().hex}")
            self._register(stack, client, bench)
            yield from _drained(client, bench.name, iter(items), where)

    def _register(self, stack: ExitStack, client: Client, bench: _Bench) -> None:
        stack.callback(_unregister, client, bench.name)
        try:
            client.register_plugin(bench)
        except Exception as error:  # dask raises whatever a worker raised
            got = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_SHOWN]
            raise DataError(
                f"{self.scheduler or 'dask'}: expected workers with the same packages as here, got {got}; "
                "install them on every machine"
            ) from error

    def _client(self, stack: ExitStack, progress: Progress) -> Client:
        expected = 1 if self.scheduler else self.workers
        progress(_STARTED, 0, expected)
        address = self.scheduler or _local_cluster(stack, self.workers)
        try:
            # Workers of a cluster elsewhere may be out of reach but for its scheduler.
            is_near = not self.scheduler
            client = stack.enter_context(
                Client(address, timeout=_CONNECT_S, set_as_default=False, direct_to_workers=is_near)
            )
            client.wait_for_workers(expected, timeout=_WORKERS_S)
        except (OSError, TimeoutError, ValueError) as error:
            got = " ".join(str(error).split())[:_MOST_SHOWN] or type(error).__name__
            raise DataError(
                f"{self.scheduler or 'dask'}: expected a scheduler with workers, got {got}; "
                "start `dask scheduler` and `dask worker ADDRESS --nthreads 1`, with the same packages as here"
            ) from error
        progress(_STARTED, expected, expected)
        return client


def _unregister(client: Client, name: str) -> None:
    # Where the scheduler is gone, so is the work; that it is gone is told by who waited for it.
    with suppress(Exception):
        client.unregister_worker_plugin(name)


def _local_cluster(stack: ExitStack, workers: int) -> LocalCluster:
    stack.enter_context(dask.config.set(_NEAR))
    # Whoever reaches a worker's port runs code as this user: TLS with keys of this run keeps others of the machine out.
    return stack.enter_context(
        LocalCluster(
            n_workers=workers, threads_per_worker=1, security=True, dashboard_address=None, memory_limit=0,
            silence_logs=logging.CRITICAL, local_directory=stack.enter_context(TemporaryDirectory(prefix="enginear-")),
        )
    )  # fmt: skip


def _drained(client: Client, bench: str, items: Iterator[tuple[Any, ...]], where: str) -> Iterator[Done[Any]]:
    piles = _Piles(items)
    under_way: dict[Any, tuple[_Pile, Future]] = {}
    coming: SimpleQueue[Future] = SimpleQueue()
    threads = _Threads(client, where)
    while True:
        for pile in islice(piles, max(0, threads.count * ITEMS_AHEAD - len(under_way))):
            future = client.submit(_do, bench, list(pile.values()), pure=False)
            under_way[future.key] = (pile, future)
            future.add_done_callback(coming.put)
        if not under_way:
            return
        future = _next(coming, threads)
        pile, _ = under_way.pop(future.key)
        worked = _result_of(future, threads)
        if isinstance(worked, _Worked):
            piles.note(len(worked.results), worked.seconds)
            piles.take_back(islice(pile.items(), len(worked.results), None))
            yield from map(Done, pile, worked.results)
        elif len(pile) == 1:
            yield from (Done(index, worked) for index in pile)
        else:
            piles.part(pile)


_Pile = dict[int, tuple[Any, ...]]
"""Items by index that go to a worker together."""


class _Piles:
    """Piles of items, large enough for what a task costs the cluster to be small beside them.

    Args:
        items: What they are made of.
    """

    def __init__(self, items: Iterator[tuple[Any, ...]]) -> None:
        self._numbered = enumerate(items)
        self._back: deque[tuple[int, tuple[Any, ...]]] = deque()
        self._parted: deque[_Pile] = deque()
        self._size = 1

    def __iter__(self) -> Iterator[_Pile]:
        """The next piles; may be called again."""
        while pile := self._parted.popleft() if self._parted else self._gathered():
            yield pile

    def note(self, n: int, seconds: float) -> None:
        """Make the next piles by what one of ``n`` items took."""
        self._size = min(_LARGEST_PILE, 1 + int(_PILE_S * n / max(seconds, _PILE_S / _LARGEST_PILE)))

    def take_back(self, rest: Iterable[tuple[int, tuple[Any, ...]]]) -> None:
        """Hand items out again, by index, that a worker had no time for: they are longer than those before them."""
        self._back.extend(rest)

    def part(self, pile: _Pile) -> None:
        """Hand the items of a pile out again, each alone: over one of them workers died."""
        self._parted.extend({index: item} for index, item in pile.items())

    def _gathered(self) -> _Pile:
        n = min(self._size, len(self._back))
        back = [self._back.popleft() for _ in range(n)]
        return dict(chain(back, islice(self._numbered, self._size - n)))


def _next(coming: SimpleQueue[Future], threads: _Threads) -> Future:
    """The next future that ends, for as long as there are workers.

    Raises:
        DataError: The workers are gone, or the scheduler.
    """
    while True:
        try:
            return coming.get(timeout=_LOOK_S)
        except Empty:
            threads.look()


def _result_of(future: Future, threads: _Threads) -> _Worked | Lost:
    while True:
        try:
            return cast("_Worked", future.result(timeout=_RESULT_S))
        except KilledWorker:
            return Lost(DIED)
        except TimeoutError as error:
            if future.status == "error":
                raise threads.gone(str(error)) from error
            # The worker that held the result died: another one does it again, where there is one.
            threads.look()
        except (OSError, FutureCancelledError) as error:
            raise threads.gone(str(error)) from error


class _Threads:
    """How many items the cluster does at once, asked for now and then: workers come and go.

    Args:
        client: Of the cluster.
        where: What is worked on, named in errors.
    """

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where
        self._asked_s = 0.0
        self._seen_s = time.monotonic()
        self._count = 1

    @property
    def count(self) -> int:
        """At least one: workers that died start again."""
        if time.monotonic() - self._asked_s > _LOOK_S:
            self.look()
        return max(1, self._count)

    def look(self) -> None:
        """Ask now.

        Raises:
            DataError: There has been no worker for a while, or the scheduler is gone.
        """
        try:
            self._count = sum(self._client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self.gone(str(error)) from error
        self._asked_s = time.monotonic()
        if self._count:
            self._seen_s = self._asked_s
        elif self._asked_s - self._seen_s > _WORKERS_S:
            raise self.gone("no workers any more")

    def gone(self, got: str) -> DataError:
        """The error of a cluster that does not go on."""
        return DataError(f"{self._where}: expected the cluster to finish, got {got}; start it, and run this again")
