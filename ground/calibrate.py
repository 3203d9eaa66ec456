"""Thresholds that keep a promise: how often, at most, a healthy flight raises an alarm, and how sure that is.

A healthy flight raises an alarm exactly when its strangest moment, after persistence, exceeds the threshold. So a
flight speaks with one value, that moment's; and the threshold is an order statistic of the values of independent
healthy flights, which bounds all but the declared share of them at the declared confidence, whatever their distribution
(S. Wilks, Ann. Math. Statist. 12, 1941). Windows of one flight resemble each other: a bound over windows would promise
too much.

Of fewer flights than that takes, no order statistic keeps the promise. Then the threshold is at least a prediction
bound: the logarithms of the flights' values are taken as normal, with a spread that starts from what was seen on other
machines (docs/adr/0017) and follows the flights as they come; the next flight exceeds it with the declared probability.
That is an assumption, so the report still says INSUFFICIENT.

Where detectors were rehearsed on what was left out of their training, the threshold is also at least the prediction
bound over those values or, where each rehearsed detector knew less than the final one does, their largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.golden import SCORE_TOLERANCE
from edge_agent.thresholds import Thresholds
from ground.calibration_report import (
    ORDER_STATISTIC,
    PREDICTION_BOUND,
    Calibration,
    CalibrationReport,
    PhaseScale,
    RehearsalBound,
)
from ground.config import DecisionConfig
from ground.errors import CalibrationError
from ground.flights import NO_VALUE, FlightScores, flight_value
from ground.intervals import NO_RANK, confidence_of_rank, fewest_for_bound, upper_rank
from ground.prediction import FLIGHT_SPREAD, prediction_bound

FEWEST_PHASE_FLIGHTS = 10
"""A phase seen in fewer fit flights takes the pooled scale: its own median would be off by 0.4 standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Healthy flights as scored by detectors that were trained without their group.

    Attributes:
        name: What was left out.
        flights: The flights.
        is_harder: Whether each detector knew less about what it was asked than the final one will: conditions further
            apart. Then the largest value is bound enough.
        prior_spread: Between the logarithms of the values of different groups, before any is seen.
    """

    name: str
    flights: tuple[FlightScores, ...]
    is_harder: bool
    prior_spread: float = FLIGHT_SPREAD


def calibrate(
    fit: Sequence[FlightScores],
    calibration: Sequence[FlightScores],
    decision: DecisionConfig,
    *,
    seed: int,
    rehearsals: Sequence[Rehearsal] = (),
    independent_n: int = 0,
) -> Calibration:
    """Choose the thresholds.

    Args:
        fit: Healthy flights that set the scale of each phase; none of them is among ``calibration``.
        calibration: Healthy flights that set the common level.
        decision: Persistence, and what is to be promised.
        seed: Draws the flight that speaks for a group of several.
        rehearsals: Healthy flights as scored by detectors that were trained without their group.
        independent_n: How many of the calibration groups are independent, where not all are; 0 for all.

    Raises:
        CalibrationError: No flight is long enough, or the scores of healthy flights are zero.
    """
    pooled = _pooled_scale(fit, decision)
    phases = _phase_scales(fit, decision, pooled)
    scales = _Scales(pooled, {phase.phase: phase.scale for phase in phases}, decision)
    long_enough = [flight for flight in calibration if len(flight.scores) >= decision.k]
    values = np.sort([scales.value(flight, k=decision.k) for flight in _one_a_group(long_enough, seed)])
    _check_values(values, decision, n_flights=len(calibration))
    share, n = decision.false_alarm_rate, min(independent_n or len(values), len(values))
    rank = upper_rank(n, share, decision.confidence)
    bounds = tuple(_asked(rehearsal, scales) for rehearsal in rehearsals)
    levels = _levels(values, n, rank, bounds, share)
    basis = max(levels, key=lambda name: levels[name])
    report = CalibrationReport(
        level=_with_margin(levels[basis]),
        basis=basis,
        rank=rank or n,
        n_flights=n,
        n_spare=len(long_enough) - len(values),
        n_too_short=len(calibration) - len(long_enough),
        needed_flights=fewest_for_bound(share, decision.confidence),
        insufficient_flights=rank == NO_RANK,
        confidence=confidence_of_rank(rank or n, n, share),
        pooled_scale=pooled,
        phases=phases,
        rehearsals=bounds,
    )
    return Calibration(_thresholds(report, decision), report)


def _levels(
    values: NDArray[np.float64], n: int, rank: int, bounds: Sequence[RehearsalBound], share: float
) -> dict[str, float]:
    """What each ground for a threshold asks for, by its name.

    Args:
        values: (m,) values of the calibration flights, ascending.
        n: How many of them are independent.
        rank: Rank whose value keeps the promise among ``n``; ``NO_RANK`` where none does.
        bounds: What the rehearsals ask.
        share: Of the flights that may alarm.
    """
    # Among values that resemble each other an order says nothing; the largest bounds at least as much.
    speaks = len(values) if rank == NO_RANK or n < len(values) else rank
    levels = {ORDER_STATISTIC: float(values[speaks - 1])}
    if rank == NO_RANK:
        levels[PREDICTION_BOUND] = prediction_bound(values, share)
    return levels | {bound.name: bound.level for bound in bounds if bound.n_groups}


@dataclass(frozen=True, slots=True)
class _Scales:
    """What is usual by phase, and the persistence by which a flight speaks."""

    pooled: float
    by_phase: Mapping[str, float]
    decision: DecisionConfig

    def value(self, flight: FlightScores, *, k: int) -> float:
        """The value of a flight in units of the scales."""
        scale = np.array([self.by_phase.get(phase, self.pooled) for phase in flight.phases])
        return flight_value(flight.scores / scale, k=k, n=self.decision.n)


def _asked(rehearsal: Rehearsal, scales: _Scales) -> RehearsalBound:
    """The bound over the largest value of each group; a flight too short for k windows speaks with what it has."""
    largest: dict[str, float] = {}
    for flight in rehearsal.flights:
        if len(flight.scores):
            value = scales.value(flight, k=min(scales.decision.k, len(flight.scores)))
            largest[flight.group] = max(value, largest.get(flight.group, NO_VALUE))
    values = np.array([value for value in largest.values() if value > NO_VALUE])
    level = float(values.max()) if len(values) else NO_VALUE
    if len(values) and not rehearsal.is_harder:
        level = prediction_bound(values, scales.decision.false_alarm_rate, prior_spread=rehearsal.prior_spread)
    return RehearsalBound(name=rehearsal.name, n_groups=len(values), level=level)


def _check_values(values: NDArray[np.float64], decision: DecisionConfig, *, n_flights: int) -> None:
    if not len(values):
        raise CalibrationError(
            f"calibration: expected healthy flights of at least decision.k = {decision.k} assessed windows, got none "
            f"out of {n_flights}; record longer flights or enlarge split.calibration"
        )
    if not 0.0 < values[-1] < np.inf:
        raise CalibrationError(
            f"calibration: expected positive finite scores of healthy flights, got {values[-1]}; train again"
        )


def _with_margin(level: float) -> float:
    # Scores differ by processor in their last bits: the flight that sets the level must not alarm on another one.
    return level * (1.0 + SCORE_TOLERANCE)


def _thresholds(report: CalibrationReport, decision: DecisionConfig) -> Thresholds:
    return Thresholds(
        pooled=report.level * report.pooled_scale,
        phases={phase.phase: report.level * phase.scale for phase in report.phases if not phase.is_pooled},
        k=decision.k,
        n=decision.n,
        release_ratio=decision.release_ratio,
        false_alarm_rate=decision.false_alarm_rate,
        confidence=report.confidence,
    )


def _one_a_group(flights: Iterable[FlightScores], seed: int) -> list[FlightScores]:
    """A flight of each group, drawn: flights of one unit resemble each other, and the bound wants independent ones."""
    groups: dict[str, list[FlightScores]] = {}
    for flight in flights:
        groups.setdefault(flight.group, []).append(flight)
    rng = np.random.default_rng(seed)
    return [groups[name][rng.integers(len(groups[name]))] for name in sorted(groups)]


def _pooled_scale(fit: Sequence[FlightScores], decision: DecisionConfig) -> float:
    values = [
        flight_value(flight.scores, k=decision.k, n=decision.n) for flight in fit if len(flight.scores) >= decision.k
    ]
    scale = float(np.median(values)) if values else 0.0
    if not 0.0 < scale < np.inf:
        raise CalibrationError(
            f"fit: expected healthy flights of at least decision.k = {decision.k} assessed windows with positive "
            f"finite scores, got a median of {scale} over {len(values)}; train again or record longer flights"
        )
    return scale


def _phase_scales(fit: Sequence[FlightScores], decision: DecisionConfig, pooled: float) -> tuple[PhaseScale, ...]:
    names = sorted({str(phase) for flight in fit for phase in flight.phases})
    return tuple(_phase_scale(name, fit, decision, pooled) for name in names)


def _phase_scale(phase: str, fit: Sequence[FlightScores], decision: DecisionConfig, pooled: float) -> PhaseScale:
    parts = [flight.scores[flight.phases == phase] for flight in fit]
    values = [flight_value(part, k=decision.k, n=decision.n) for part in parts if len(part) >= decision.k]
    scale = float(np.median(values)) if len(values) >= FEWEST_PHASE_FLIGHTS else 0.0
    is_pooled = scale <= 0.0
    return PhaseScale(phase=phase, scale=pooled if is_pooled else scale, n_flights=len(values), is_pooled=is_pooled)
