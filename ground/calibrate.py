"""Thresholds that keep a promise: how often, at most, a healthy flight raises an alarm, and how sure that is.

A healthy flight raises an alarm exactly when its strangest moment, after persistence, exceeds the threshold. So a
flight speaks with one value, that moment's; and the threshold is an order statistic of the values of independent
healthy flights, which bounds all but the declared share of them at the declared confidence, whatever their distribution
(S. Wilks, Ann. Math. Statist. 12, 1941). Windows of one flight resemble each other: a bound over windows would promise
too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.golden import SCORE_TOLERANCE
from edge_agent.thresholds import Thresholds
from ground.config import DecisionConfig
from ground.errors import CalibrationError
from ground.intervals import NO_RANK, confidence_of_rank, fewest_for_bound, upper_rank

FEWEST_PHASE_FLIGHTS = 10
"""A phase seen in fewer fit flights takes the pooled scale: its own median would be off by 0.4 standard deviations."""
NO_VALUE = 0.0
"""Value of a flight too short to raise an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightScores:
    """The assessed windows of one flight, in time order.

    Attributes:
        group: What is independent of other groups: the unit, or the stretch of a recording.
        phases: (n,) flight phases.
        scores: (n,) float64, zero or more.
    """

    group: str
    phases: NDArray[np.str_]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseScale:
    """The usual healthy level of a phase: the median over fit flights of the value after persistence.

    Attributes:
        phase: Its name.
        scale: Scores are divided by it before phases are compared; the pooled one where ``n_flights`` is too small.
        n_flights: Fit flights with enough windows of the phase.
        is_pooled: Whether the phase borrows the pooled scale.
    """

    phase: str
    scale: float
    n_flights: int
    is_pooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """How the thresholds came about.

    Attributes:
        level: The common threshold, in units of the scales: an alarm is raised exactly by a flight value above it.
        rank: Rank (from 1, ascending) of the flight value that it is.
        n_flights: Independent calibration flights it is taken from: one a group.
        n_spare: Further flights of the same groups, not used: they would repeat what their group has said.
        n_too_short: Flights left out because they hold fewer than k assessed windows.
        needed_flights: Flights that the declared bound needs.
        insufficient_flights: Whether there are fewer: the confidence is then lower than declared.
        confidence: The confidence really reached.
        pooled_scale: Scale over whole fit flights.
        phases: The scales by phase.
    """

    level: float
    rank: int
    n_flights: int
    n_spare: int
    n_too_short: int
    needed_flights: int
    insufficient_flights: bool
    confidence: float
    pooled_scale: float
    phases: tuple[PhaseScale, ...]

    @property
    def summary(self) -> str:
        """One sentence for people."""
        promise = f"{self.n_flights} calibration flights bound the alarm rate at confidence {self.confidence:.3f}"
        if not self.insufficient_flights:
            return promise
        return f"{promise}; the declared bound needs {self.needed_flights}: add healthy recordings of further units"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds and the report about them."""

    thresholds: Thresholds
    report: CalibrationReport


def persistent_values(ratios: NDArray[np.float64], *, k: int, n: int) -> NDArray[np.float64]:
    """What persistence makes of a flight: at each window the k-th largest of the last ``n`` ratios.

    It exceeds a level exactly where ``edge_agent.decision.Decider`` counts ``k`` of ``n`` above it.

    Args:
        ratios: (m,) scores over the scales of their phases, in time order, assessed windows only.
        k: Windows above the threshold that raise an alarm.
        n: Length of the memory.

    Returns:
        (m,) float64; ``-inf`` while fewer than ``k`` windows were seen.
    """
    if len(ratios) == 0:
        return np.zeros(0)
    unseen = np.full(n - 1, -np.inf)
    memories = np.lib.stride_tricks.sliding_window_view(np.concatenate([unseen, ratios]), n)
    return np.asarray(np.partition(memories, n - k, axis=1)[:, n - k])


def flight_value(ratios: NDArray[np.float64], *, k: int, n: int) -> float:
    """The largest of the ``persistent_values``; ``NO_VALUE`` for a flight of fewer than ``k`` windows."""
    return float(persistent_values(ratios, k=k, n=n).max()) if len(ratios) >= k else NO_VALUE


def calibrate(
    fit: Sequence[FlightScores], calibration: Sequence[FlightScores], decision: DecisionConfig, *, seed: int
) -> Calibration:
    """Choose the thresholds.

    Args:
        fit: Healthy flights that set the scale of each phase; none of them is among ``calibration``.
        calibration: Healthy flights that set the common level.
        decision: Persistence, and what is to be promised.
        seed: Draws the flight that speaks for a group of several.

    Raises:
        CalibrationError: No flight is long enough, or the scores of healthy flights are zero.
    """
    pooled = _pooled_scale(fit, decision)
    phases = _phase_scales(fit, decision, pooled)
    scales = {phase.phase: phase.scale for phase in phases}
    long_enough = [flight for flight in calibration if len(flight.scores) >= decision.k]
    chosen = _one_a_group(long_enough, seed)
    values = np.sort([_value(flight, scales, pooled, decision) for flight in chosen])
    if not len(values):
        raise CalibrationError(
            f"calibration: expected healthy flights of at least decision.k = {decision.k} assessed windows, got none "
            f"out of {len(calibration)}; record longer flights or enlarge split.calibration"
        )
    share = decision.false_alarm_rate
    bounding_rank = upper_rank(len(values), share, decision.confidence)
    rank = bounding_rank or len(values)
    report = CalibrationReport(
        level=_level(float(values[rank - 1])),
        rank=rank,
        n_flights=len(values),
        n_spare=len(long_enough) - len(values),
        n_too_short=len(calibration) - len(long_enough),
        needed_flights=fewest_for_bound(share, decision.confidence),
        insufficient_flights=bounding_rank == NO_RANK,
        confidence=confidence_of_rank(rank, len(values), share),
        pooled_scale=pooled,
        phases=phases,
    )
    return Calibration(_thresholds(report, decision), report)


def _level(value: float) -> float:
    if not 0.0 < value < np.inf:
        raise CalibrationError(
            f"calibration: expected positive finite scores of healthy flights, got {value}; train again"
        )
    # Scores differ by processor in their last bits: the flight that sets the level must not alarm on another one.
    return value * (1.0 + SCORE_TOLERANCE)


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


def _value(flight: FlightScores, scales: dict[str, float], pooled: float, decision: DecisionConfig) -> float:
    scale = np.array([scales.get(phase, pooled) for phase in flight.phases])
    return flight_value(flight.scores / scale, k=decision.k, n=decision.n)


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
