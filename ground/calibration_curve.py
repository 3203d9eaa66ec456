"""Declared against measured: the share of healthy test flights with an alarm, at thresholds for several rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.calibrate import Rehearsal
from ground.config import Config
from ground.detection import flight_numbers
from ground.intervals import Bounds
from ground.judge import Judge, set_thresholds
from ground.replay import examined, replay
from ground.splits import HEALTHY
from ground.window_table import WindowTable

DECLARED = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPoint:
    """One declared rate.

    Attributes:
        declared: Bound on the share of healthy flights with an alarm.
        confidence: The confidence that the calibration flights give it.
        insufficient_flights: Whether they are too few for the confidence asked for.
        flights: Healthy test flights with enough assessed windows for an alarm.
        alarmed: Those of them with an alarm.
        measured: Their share; NaN without any flight.
        bounds: One-sided bounds of it, each at ``gates.confidence``.
    """

    declared: float
    confidence: float
    insufficient_flights: bool
    flights: int
    alarmed: int
    measured: float
    bounds: Bounds


def calibration_curve(
    table: WindowTable, scores: NDArray[np.float64], config: Config, rehearsals: Sequence[Rehearsal]
) -> tuple[CalibrationPoint, ...]:
    """Calibrate anew for every rate of ``DECLARED``, and count the alarms in the test flights that are healthy.

    Args:
        table: Every window with its role.
        scores: (n,) score of each window.
        config: Decision, confidence and seed.
        rehearsals: What the threshold of the shipped detector was set with.
    """
    decisions = (config.decision.model_copy(update={"false_alarm_rate": declared}) for declared in DECLARED)
    settings = (config.model_copy(update={"decision": decision}) for decision in decisions)
    return tuple(_point(set_thresholds(table, scores, each, rehearsals), scores, each) for each in settings)


def _point(judge: Judge, scores: NDArray[np.float64], config: Config) -> CalibrationPoint:
    rows = judge.rows
    whole = (rows["label"] == HEALTHY).groupby(rows["recording_id"]).transform("all").to_numpy(dtype=bool)
    chosen = examined(rows) & whole
    answers = replay(rows[chosen], scores[chosen], judge.thresholds)
    numbers = flight_numbers(answers, k=judge.thresholds.k, confidence=config.gates.confidence)
    return CalibrationPoint(
        declared=config.decision.false_alarm_rate,
        confidence=judge.thresholds.confidence,
        insufficient_flights=judge.report.insufficient_flights,
        flights=numbers.healthy_flights,
        alarmed=numbers.alarmed_flights,
        measured=numbers.alarmed_share,
        bounds=numbers.alarmed_bounds,
    )
