"""Thresholds that keep a promise: how often, at most, a healthy flight raises an alarm, and how sure that is.

A healthy flight raises an alarm exactly when its strangest moment, after persistence, exceeds the threshold. So a
flight speaks with one value, that moment's; and the threshold is an order statistic of the values of independent
healthy flights, which bounds all but the declared share of them at the declared confidence, whatever their distribution
(S. Wilks, Ann. Math. Statist. 12, 1941). Windows of one flight resemble each other: a bound over windows would promise
too much.

Of fewer flights than that takes, no order statistic keeps the promise. Then the threshold is at least a prediction
bound: the logarithms of the flights' values are taken as normal, with a spread that starts from what was seen on other
machines (docs/adr/0016) and follows the flights as they come; the next flight exceeds it with the declared probability.
That is an assumption, so the report still says INSUFFICIENT.

Where detectors were rehearsed on what was left out of their training, the threshold is also at least the prediction
bound over those values or, where each rehearsed detector knew less than the final one does, their largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from edge_agent.golden import SCORE_TOLERANCE
from edge_agent.thresholds import Thresholds
from ground.config import DecisionConfig
from ground.errors import CalibrationError
from ground.intervals import NO_RANK, confidence_of_rank, fewest_for_bound, upper_rank

FEWEST_PHASE_FLIGHTS = 10
"""A phase seen in fewer fit flights takes the pooled scale: its own median would be off by 0.4 standard deviations."""
PRIOR_SPREAD = 0.25
"""Standard deviation between the logarithms of the values of one machine's flights, before any is seen."""
PRIOR_WEIGHT = 4
"""So many flights' worth of it."""
NO_VALUE = 0.0
"""Value of a flight too short to raise an alarm."""
ORDER_STATISTIC: Final = "order statistic"
PREDICTION_BOUND: Final = "prediction bound"


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
class Rehearsal:
    """Healthy flights as scored by detectors that were trained without their group.

    Attributes:
        name: What was left out.
        flights: The flights.
        is_harder: Whether each detector knew less about what it was asked than the final one will: conditions further
            apart. Then the largest value is bound enough.
    """

    name: str
    flights: tuple[FlightScores, ...]
    is_harder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalBound:
    """What a rehearsal asks of the threshold.

    Attributes:
        name: What was left out of the training.
        n_groups: How many times, each with something else.
        level: The bound, in units of the scales: the prediction bound, or the largest value.
    """

    name: str
    n_groups: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """How the thresholds came about.

    Attributes:
        level: The common threshold, in units of the scales: an alarm is raised exactly by a flight value above it.
        basis: What set it: ``order statistic``, ``prediction bound``, or the name of a rehearsal.
        rank: Rank (from 1, ascending) of the flight value that the order statistic is.
        n_flights: Independent calibration flights it is taken from: one a group.
        n_spare: Further flights of the same groups, not used: they would repeat what their group has said.
        n_too_short: Flights left out because they hold fewer than k assessed windows.
        needed_flights: Flights that the declared bound needs.
        insufficient_flights: Whether there are fewer: the confidence is then lower than declared.
        confidence: The confidence really reached.
        pooled_scale: Scale over whole fit flights.
        phases: The scales by phase.
        rehearsals: What left-out time and conditions asked for.
    """

    level: float
    basis: str
    rank: int
    n_flights: int
    n_spare: int
    n_too_short: int
    needed_flights: int
    insufficient_flights: bool
    confidence: float
    pooled_scale: float
    phases: tuple[PhaseScale, ...]
    rehearsals: tuple[RehearsalBound, ...]

    @property
    def summary(self) -> str:
        """One sentence for people."""
        promise = f"{self.n_flights} calibration flights bound the alarm rate at confidence {self.confidence:.3f}"
        if not self.insufficient_flights:
            return promise
        return (
            f"{promise}; the declared bound needs {self.needed_flights}: add healthy recordings of further units. "
            f"The threshold is set by {self.basis}"
        )


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


def prediction_bound(values: NDArray[np.float64], share: float) -> float:
    """What the next value exceeds with probability ``share``, if logarithms of values are normal.

    Their spread is pooled from ``PRIOR_WEIGHT`` values of ``PRIOR_SPREAD`` and from those given; the bound is that of
    Student's t for one further value (G. Hahn, J. Am. Stat. Assoc. 64, 1969, with prior degrees of freedom).

    Args:
        values: (n,) positive, n > 0.
        share: Probability, 0 to 1.

    Returns:
        The bound, at least the largest of the values.
    """
    logarithms = np.log(values)
    n, mean = len(logarithms), logarithms.mean()
    freedom = PRIOR_WEIGHT + n - 1
    variance = (PRIOR_WEIGHT * PRIOR_SPREAD**2 + np.square(logarithms - mean).sum()) / freedom
    bound = mean + student_t.ppf(1.0 - share, freedom) * np.sqrt(variance * (1.0 + 1.0 / n))
    return float(np.exp(max(bound, logarithms.max())))


def calibrate(
    fit: Sequence[FlightScores],
    calibration: Sequence[FlightScores],
    decision: DecisionConfig,
    *,
    seed: int,
    rehearsals: Sequence[Rehearsal] = (),
) -> Calibration:
    """Choose the thresholds.

    Args:
        fit: Healthy flights that set the scale of each phase; none of them is among ``calibration``.
        calibration: Healthy flights that set the common level.
        decision: Persistence, and what is to be promised.
        seed: Draws the flight that speaks for a group of several.
        rehearsals: Healthy flights as scored by detectors that were trained without their group.

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
    rank = upper_rank(len(values), share, decision.confidence)
    bounds = tuple(_asked(rehearsal, scales, pooled, decision) for rehearsal in rehearsals)
    levels = {bound.name: bound.level for bound in bounds if bound.n_groups}
    levels |= {ORDER_STATISTIC: _checked(float(values[(rank or len(values)) - 1]))}
    if rank == NO_RANK:
        levels[PREDICTION_BOUND] = prediction_bound(values, share)
    basis = max(levels, key=lambda name: levels[name])
    report = CalibrationReport(
        level=_with_margin(levels[basis]),
        basis=basis,
        rank=rank or len(values),
        n_flights=len(values),
        n_spare=len(long_enough) - len(values),
        n_too_short=len(calibration) - len(long_enough),
        needed_flights=fewest_for_bound(share, decision.confidence),
        insufficient_flights=rank == NO_RANK,
        confidence=confidence_of_rank(rank or len(values), len(values), share),
        pooled_scale=pooled,
        phases=phases,
        rehearsals=bounds,
    )
    return Calibration(_thresholds(report, decision), report)


def _asked(
    rehearsal: Rehearsal, scales: Mapping[str, float], pooled: float, decision: DecisionConfig
) -> RehearsalBound:
    """The bound over the largest value of each group; a flight too short for k windows speaks with what it has."""
    largest: dict[str, float] = {}
    for flight in rehearsal.flights:
        if len(flight.scores):
            value = _value(flight, scales, pooled, decision, shortest=True)
            largest[flight.group] = max(value, largest.get(flight.group, NO_VALUE))
    values = np.array([value for value in largest.values() if value > NO_VALUE])
    level = float(values.max()) if len(values) else NO_VALUE
    if len(values) and not rehearsal.is_harder:
        level = prediction_bound(values, decision.false_alarm_rate)
    return RehearsalBound(name=rehearsal.name, n_groups=len(values), level=level)


def _checked(value: float) -> float:
    if not 0.0 < value < np.inf:
        raise CalibrationError(
            f"calibration: expected positive finite scores of healthy flights, got {value}; train again"
        )
    return value


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


def _value(
    flight: FlightScores,
    scales: Mapping[str, float],
    pooled: float,
    decision: DecisionConfig,
    *,
    shortest: bool = False,
) -> float:
    scale = np.array([scales.get(phase, pooled) for phase in flight.phases])
    k = min(decision.k, len(flight.scores)) if shortest else decision.k
    return flight_value(flight.scores / scale, k=k, n=decision.n)


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
