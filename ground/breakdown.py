"""Where a scorer detects and where it does not: by phase and fault; and how it takes a faulty sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground import metrics
from ground.intervals import Bounds, proportion_bounds
from ground.replay import Replay
from ground.splits import is_sensor_fault

ALL = "all"
NO_FAULT = "healthy"
UNKNOWN_FAULT = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakdownRow:
    """One phase and one kind of fault.

    Attributes:
        phase: Flight phase, or ``all``.
        fault_type: Kind of fault, ``healthy``, or ``all`` kinds.
        groups: Groups with such windows: the independent observations.
        windows: Judged windows.
        alarmed_share: Mean over the groups of the share of windows in alarm: false-alarm rate of healthy windows,
            recall of the others.
        bounds: One-sided bounds of it.
        auc: Against the healthy windows of the same phase; NaN for healthy windows themselves.
    """

    phase: str
    fault_type: str
    groups: int
    windows: int
    alarmed_share: float
    bounds: Bounds
    auc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFaultRow:
    """How flights with a faulty sensor went: the right answer is ``not_assessed``, and no alarm.

    Attributes:
        fault_type: What is wrong with the sensor.
        flights: How many.
        windows: Windows of these flights.
        not_assessed: Share of the windows that are not assessed.
        reasons: Windows by reason, most frequent first.
        alarms: Alarms raised.
    """

    fault_type: str
    flights: int
    windows: int
    not_assessed: float
    reasons: tuple[tuple[str, int], ...]
    alarms: int


def breakdown(answers: Replay, *, confidence: float) -> tuple[BreakdownRow, ...]:
    """The table of phases and faults, with ``all`` rows first.

    Args:
        answers: Replayed flights.
        confidence: Of each bound.
    """
    judged = answers.select(answers.judged)
    kinds = np.where(
        judged.faulty,
        judged.rows["fault_type"].mask(lambda kind: kind == "", UNKNOWN_FAULT).to_numpy(dtype=str),
        NO_FAULT,
    )
    phases = judged.rows["phase"].to_numpy(dtype=str)
    table = []
    for phase in (ALL, *np.unique(phases)):
        in_phase = np.full(len(phases), True) if phase == ALL else phases == phase
        for kind in (NO_FAULT, ALL, *np.unique(kinds[judged.faulty])):
            chosen = in_phase & (judged.faulty if kind == ALL else kinds == kind)
            if chosen.any():
                table.append(_row(judged, in_phase, chosen, phase=str(phase), kind=str(kind), confidence=confidence))
    return tuple(table)


def sensor_faults(answers: Replay) -> tuple[SensorFaultRow, ...]:
    """How the flights with a faulty sensor went, one row a kind of fault."""
    apart = answers.select(is_sensor_fault(answers.rows))
    table = []
    for kind in sorted(apart.rows["fault_type"].unique()):
        part = apart.select((apart.rows["fault_type"] == kind).to_numpy())
        reasons = part.rows["reason"][part.rows["reason"] != ""].value_counts(sort=True)
        table.append(
            SensorFaultRow(
                fault_type=str(kind),
                flights=int(part.rows["recording_id"].nunique()),
                windows=len(part.state),
                not_assessed=float(np.mean(~part.assessed)),
                reasons=tuple((str(name), int(n)) for name, n in reasons.items()),
                alarms=int(part.raised.sum()),
            )
        )
    return tuple(table)


def _row(
    judged: Replay,
    in_phase: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    *,
    phase: str,
    kind: str,
    confidence: float,
) -> BreakdownRow:
    fractions = metrics.group_means(judged.rows["group"].to_numpy(dtype=str)[chosen], judged.alarm[chosen])
    compared = chosen | (in_phase & ~judged.faulty)
    return BreakdownRow(
        phase=phase,
        fault_type=kind,
        groups=len(fractions),
        windows=int(np.count_nonzero(chosen)),
        alarmed_share=float(np.mean(fractions)),
        bounds=proportion_bounds(float(np.sum(fractions)), len(fractions), confidence=confidence),
        auc=math.nan if kind == NO_FAULT else metrics.auc(judged.faulty[compared], judged.ratio[compared]),
    )
