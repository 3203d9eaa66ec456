"""The entry: a whole fleet, flights in parallel, the index last."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ground.errors import ConfigError, DataError
from ground.pool import process_pool
from ground.simulate.config import FleetConfig
from ground.simulate.files import IndexRow, index_bytes, index_row, parquet_bytes
from ground.simulate.flight import simulate_flight
from ground.simulate.plan import FlightPlan, plan_fleet
from ground.workspace import write_atomic

INDEX_NAME = "recordings.csv"
DEFAULT_WORKERS = min(2, os.cpu_count() or 1)


def simulate_fleet(
    config: FleetConfig,
    out: Path,
    *,
    progress: Callable[[int, int], None],
    workers: int = DEFAULT_WORKERS,
) -> None:
    """Simulate a fleet into a recordings folder.

    Flights are written one by one; the index comes last, so a folder with an index is complete. The result
    depends on ``config`` alone, never on ``workers``. Flights left by a broken run are overwritten.

    Args:
        config: The fleet.
        out: Folder for ``recordings.csv`` and the flights; must not hold an index yet.
        progress: Called in this process with (flights done, flights in all), first with (0, all).
        workers: Processes; 1 works in this one.

    Raises:
        ConfigError: ``workers`` is less than 1.
        DataError: ``out`` already holds recordings, cannot be written, or a worker died.
    """
    if workers < 1:
        raise ConfigError(f"simulate_fleet.workers: expected 1 or more, got {workers}; leave it out")
    if (out / INDEX_NAME).exists():
        raise DataError(
            f"{out}: expected a folder without recordings, got one with {INDEX_NAME}; "
            "choose another folder or remove it first",
        )
    plans = plan_fleet(config)
    rows: dict[str, IndexRow] = {}
    progress(0, len(plans))
    try:
        for row in _rows(config, plans, out, min(workers, len(plans))):
            rows[row.recording_id] = row
            progress(len(rows), len(plans))
        write_atomic(out / INDEX_NAME, index_bytes([rows[plan.recording_id] for plan in plans]))
    except OSError as error:
        raise DataError(f"{out}: expected a writable folder, got {error}; check path and disk space") from error


def write_flight(config: FleetConfig, out: Path, plan: FlightPlan) -> IndexRow:
    """Simulate one flight, write its file below ``out`` and return its row of the index."""
    record = simulate_flight(config, plan)
    row = index_row(config, plan, record)
    write_atomic(out / row.file, parquet_bytes(config, plan, record, row))
    return row


def _rows(config: FleetConfig, plans: list[FlightPlan], out: Path, workers: int) -> Iterator[IndexRow]:
    """Index rows in the order in which their flights are done."""
    if workers == 1:
        yield from map(partial(write_flight, config, out), plans)
        return
    with _pool(workers) as pool:
        try:
            for done in as_completed([pool.submit(write_flight, config, out, plan) for plan in plans]):
                yield done.result()
        except BrokenProcessPool as error:
            raise DataError(
                f"{out}: expected every worker to finish, got one that died; "
                "is memory short? Use fewer workers or a shorter flight_s",
            ) from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Ctrl-C is this process's to answer; the workers end with the pool.
    pool = process_pool(workers, prepare=signal.signal, prepared=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
