"""The engine of a dask cluster: a running one, or one that lives on this machine as long as the work."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.client import FutureCancelledError
from distributed.diagnostics.plugin import WorkerPlugin

from ground.engine import ITEMS_AHEAD, Done, Lost
from ground.errors import DataError
from ground.progress import Progress

Result = TypeVar("Result")

_CONNECT_S: Final = 15.0
_WORKERS_S: Final = 60.0
_LOOK_S: Final = 2.0
_STARTED = "cluster"


class _Bench(WorkerPlugin):  # type: ignore[misc]
    """Holds the work on each worker, also on those that come later or start again."""

    def __init__(self, work: Callable[..., Any], name: str) -> None:
        self.work = work
        self.name = name


def _do(bench: str, item: tuple[Any, ...]) -> Any:
    return get_worker().plugins[bench].work(*item)


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
            client.register_plugin(bench)
            stack.callback(client.unregister_worker_plugin, bench.name)
            yield from _drained(client, bench.name, iter(items), where)

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
            got = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{self.scheduler or 'dask'}: expected a scheduler with workers, got {got}; "
                "start `dask scheduler` and `dask worker ADDRESS --nthreads 1`, with the same packages as here"
            ) from error
        progress(_STARTED, expected, expected)
        return client


def _local_cluster(stack: ExitStack, workers: int) -> LocalCluster:
    # An item that waits on a worker would be blamed for the death of one that runs there.
    stack.enter_context(dask.config.set({"distributed.scheduler.worker-saturation": 1.0}))
    # Whoever reaches a worker's port runs code as this user: TLS with keys of this run keeps others of the machine out.
    return stack.enter_context(
        LocalCluster(
            n_workers=workers, threads_per_worker=1, security=True, dashboard_address=None, memory_limit=0,
            silence_logs=logging.CRITICAL, local_directory=stack.enter_context(TemporaryDirectory(prefix="enginear-")),
        )
    )  # fmt: skip


def _drained(client: Client, bench: str, items: Iterator[tuple[Any, ...]], where: str) -> Iterator[Done[Any]]:
    numbered = enumerate(items)
    under_way: dict[Any, int] = {}
    with client.as_current():
        coming = as_completed()
    threads = _Threads(client)
    while True:
        for index, item in islice(numbered, max(0, threads.count * ITEMS_AHEAD - len(under_way))):
            future = client.submit(_do, bench, item, pure=False)
            under_way[future.key] = index
            coming.add(future)
        if not under_way:
            return
        future = next(coming)
        yield Done(under_way.pop(future.key), _result_of(future, where))


def _result_of(future: Future, where: str) -> Any:
    try:
        return future.result()
    except KilledWorker:
        return Lost("expected a worker to live through it, got several that died over it; is memory short?")
    except (OSError, FutureCancelledError) as error:
        raise DataError(f"{where}: expected the cluster to finish, got {error}; look at its log") from error


class _Threads:
    """How many items the cluster does at once, asked for now and then: workers come and go."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked_s = 0.0
        self._count = 1

    @property
    def count(self) -> int:
        """At least one: workers that died start again."""
        if time.monotonic() - self._asked_s > _LOOK_S:
            self._asked_s = time.monotonic()
            self._count = max(1, sum(self._client.nthreads().values()))
        return self._count
