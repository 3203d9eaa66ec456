"""From unit costs to a fleet: arithmetic, printed by ``benchmarks.fleet`` and stated in docs/explanation/scale.md."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.errors import BenchmarkError

_S_PER_H = 3_600.0
_DAYS_PER_YEAR = 365.0
_BYTES_PER_GB = 1e9
_BYTES_PER_TB = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCosts:
    """What one of each costs, measured in one run.

    Attributes:
        broker_s: Processor time of the broker for one result, in and out, s.
        result_s: Processor time of a collector for one result, s.
        file_s: Processor time of a collector for one file, s.
        wire_bytes: Payload of a result.
        stored_bytes: Of a result in the dataset, after compaction.
        detect_s: Processor time of the detector for one window of one engine, all its channels, s.
    """

    broker_s: float
    result_s: float
    file_s: float
    wire_bytes: float
    stored_bytes: float
    detect_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A fleet, how it flies and how it is collected.

    Attributes:
        aircraft: How many.
        engines: Of each.
        cell: Aircraft that share a broker and its collectors: each collector writes a file of each of them.
        hours_per_day: That an engine runs, mean.
        share_at_once: Of the fleet that runs at the busiest time.
        hop_s: From one result of an engine to the next.
        every_s: From one file of an aircraft to the next, at a collector.
        headroom: Share of a core that is planned to be used.
    """

    aircraft: int = 10_000
    engines: int = 4
    cell: int = 1_000
    hours_per_day: float = 10.0
    share_at_once: float = 0.7
    hop_s: float = 1.0
    every_s: float = 60.0
    headroom: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a fleet needs.

    Attributes:
        results_per_s: At the busiest time.
        wire_mb_per_s: Payloads into the brokers then.
        brokers: One a cell, or more where one core does not do; with headroom.
        collectors: Of one core each, over all cells, with headroom.
        files_per_day: Before compaction, at the busiest rate all day.
        stored_gb_per_day: In the dataset.
        stored_tb_per_year: The same.
        batch_core_h_per_day: To detect a day of the fleet again.
    """

    results_per_s: float
    wire_mb_per_s: float
    brokers: int
    collectors: int
    files_per_day: float
    stored_gb_per_day: float
    stored_tb_per_year: float
    batch_core_h_per_day: float


def bill(costs: UnitCosts, operation: Operation) -> Bill:
    """What ``operation`` needs by ``costs``.

    Raises:
        BenchmarkError: No number of collectors does: the files of a cell alone fill a core.
    """
    cells = math.ceil(operation.aircraft / operation.cell)
    flying = operation.cell * operation.share_at_once
    cell_per_s = flying * operation.engines / operation.hop_s
    per_collector = operation.headroom - flying / operation.every_s * costs.file_s
    if per_collector <= 0.0:
        raise BenchmarkError(
            "collectors: expected one that can write its files, got a cell of too many; write less often"
        )
    collectors = cells * max(1, math.ceil(cell_per_s * costs.result_s / per_collector))
    windows_per_day = operation.aircraft * operation.engines * operation.hours_per_day * _S_PER_H / operation.hop_s
    stored_bytes = windows_per_day * costs.stored_bytes
    return Bill(
        results_per_s=cells * cell_per_s,
        wire_mb_per_s=cells * cell_per_s * costs.wire_bytes / 1e6,
        brokers=cells * max(1, math.ceil(cell_per_s * costs.broker_s / operation.headroom)),
        collectors=collectors,
        files_per_day=collectors * flying / operation.every_s * 24.0 * _S_PER_H,
        stored_gb_per_day=stored_bytes / _BYTES_PER_GB,
        stored_tb_per_year=stored_bytes * _DAYS_PER_YEAR / _BYTES_PER_TB,
        batch_core_h_per_day=windows_per_day * costs.detect_s / _S_PER_H,
    )
