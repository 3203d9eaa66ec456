"""Declared against measured: the share of healthy test flights with an alarm, at thresholds for several rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.calibrate import calibrate
from ground.config import Config
from ground.detection import flight_numbers
from ground.intervals import Bounds
from ground.replay import examined, healthy_flights, replay
from ground.splits import CALIBRATION, FIT, HEALTHY
from ground.window_table import WindowTable

DECLARED = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPoint:
    """One declared rate.

    Attributes:
        declared: Bound on the share of healthy flights with an alarm.
        confidence: The confidence that the calibration flights give it.
        insufficient_flights: Whether they are too few for the confidence asked for.
        flights: Healthy test flights.
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


def calibration_curve(table: WindowTable, scores: NDArray[np.float64], config: Config) -> tuple[CalibrationPoint, ...]:
    """Calibrate anew for every rate of ``DECLARED``, and count the alarms in the test flights that are healthy.

    Args:
        table: Every window with its role.
        scores: (n,) score of each window.
        config: Decision, confidence and seed.
    """
    return tuple(_point(table, scores, config, declared) for declared in DECLARED)


def _point(table: WindowTable, scores: NDArray[np.float64], config: Config, declared: float) -> CalibrationPoint:
    rows = table.rows
    calibration = calibrate(
        healthy_flights(rows, scores, role=FIT, keep_outliers=False),
        healthy_flights(rows, scores, role=CALIBRATION, keep_outliers=True),
        config.decision.model_copy(update={"false_alarm_rate": declared}),
        seed=config.seed,
    )
    whole = (rows["label"] == HEALTHY).groupby(rows["recording_id"]).transform("all").to_numpy(dtype=bool)
    chosen = examined(rows) & whole
    answers = replay(rows[chosen], scores[chosen], calibration.thresholds)
    numbers = flight_numbers(answers, confidence=config.gates.confidence)
    return CalibrationPoint(
        declared=declared,
        confidence=calibration.thresholds.confidence,
        insufficient_flights=calibration.report.insufficient_flights,
        flights=numbers.healthy_flights,
        alarmed=numbers.alarmed_flights,
        measured=numbers.alarmed_share,
        bounds=numbers.alarmed_bounds,
    )
