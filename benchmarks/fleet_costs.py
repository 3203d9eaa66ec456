"""From unit costs to a fleet: arithmetic, printed by ``benchmarks.fleet`` and stated in docs/explanation/scale.md."""

from __future__ import annotations

import math
from dataclasses import dataclass

_S_PER_H = 3_600.0
_DAYS_PER_YEAR = 365.0
_BYTES_PER_GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCosts:
    """What one of each costs, measured in one run.

    Attributes:
        broker_s: Processor time of the broker for one result, in and out, s.
        collector_s: Processor time of a collector for one result, s.
        wire_bytes: Payload of a result.
        stored_bytes: Of a result in the dataset, after compaction.
        detect_s: Processor time of the detector for one window of one engine, all its channels, s.
    """

    broker_s: float
    collector_s: float
    wire_bytes: float
    stored_bytes: float
    detect_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A fleet and how it flies.

    Attributes:
        aircraft: How many.
        engines: Of each.
        hours_per_day: That an engine runs, mean.
        share_at_once: Of the fleet that runs at the busiest time.
        hop_s: From one result of an engine to the next.
        headroom: Share of a core that is planned to be used.
    """

    aircraft: int = 10_000
    engines: int = 4
    hours_per_day: float = 10.0
    share_at_once: float = 0.7
    hop_s: float = 1.0
    headroom: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a fleet needs.

    Attributes:
        results_per_s: At the busiest time.
        wire_mb_per_s: Payloads into the broker then.
        broker_cores: With headroom; a broker of one thread takes one each.
        collectors: Of one core each, with headroom.
        stored_gb_per_day: In the dataset.
        stored_tb_per_year: The same.
        batch_core_h_per_day: To detect a day of the fleet again.
    """

    results_per_s: float
    wire_mb_per_s: float
    broker_cores: int
    collectors: int
    stored_gb_per_day: float
    stored_tb_per_year: float
    batch_core_h_per_day: float


def bill(costs: UnitCosts, operation: Operation) -> Bill:
    """What ``operation`` needs by ``costs``."""
    engines = operation.aircraft * operation.engines
    per_s = engines * operation.share_at_once / operation.hop_s
    windows_per_day = engines * operation.hours_per_day * _S_PER_H / operation.hop_s
    gb_per_day = windows_per_day * costs.stored_bytes / _BYTES_PER_GB
    return Bill(
        results_per_s=per_s,
        wire_mb_per_s=per_s * costs.wire_bytes / 1e6,
        broker_cores=math.ceil(per_s * costs.broker_s / operation.headroom),
        collectors=math.ceil(per_s * costs.collector_s / operation.headroom),
        stored_gb_per_day=gb_per_day,
        stored_tb_per_year=gb_per_day * _DAYS_PER_YEAR / 1e3,
        batch_core_h_per_day=windows_per_day * costs.detect_s / _S_PER_H,
    )
