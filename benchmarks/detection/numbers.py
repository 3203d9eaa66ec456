"""One row of the results: the numbers of a tally, with intervals, and what was promised of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ground.intervals import proportion_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.detection.contender import Promise
    from benchmarks.detection.tally import Tally

OK: Final = "ok"
ABSENT: Final = "absent"
ERROR: Final = "error"
SKIPPED: Final = "skipped"

POOLED: Final = "all"
"""Case name of a protocol's summary."""

KEPT: Final = "kept"
MISSED: Final = "missed"
UNDECIDED: Final = "undecided"

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who, where: what names a row.

    Attributes:
        rig: The rig.
        protocol: A protocol's name; see ``benchmarks.detection.protocols``.
        case: What is left out, the life, or the type of fault; ``all`` for a protocol's summary.
        position: Of left-out values: ``between`` or ``outside`` the trained ones; empty otherwise.
        contender: Its name.
        kind: ``default``, ``family``, ``peer`` or ``baseline``.
    """

    rig: str
    protocol: str
    case: str = ""
    position: str = ""
    contender: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Place):
    """One contender in one case; docs/reference/detection-benchmark.md describes each field.

    Shares and areas are 0 to 1; NaN (null in the JSON) where the data define none.
    """

    status: str
    reason: str = ""
    cases: int = 1
    cases_failed: int = 0
    declared_false_alarm_rate: float = NAN
    declared_confidence: float = NAN
    train_windows: int = 0
    train_recordings: int = 0
    healthy_windows: int = 0
    healthy_assessed: int = 0
    faulty_windows: int = 0
    faulty_assessed: int = 0
    false_alarm_rate: float = NAN
    false_alarm_rate_low: float = NAN
    false_alarm_rate_high: float = NAN
    false_alarm_rate_cluster_low: float = NAN
    false_alarm_rate_cluster_high: float = NAN
    above_rate: float = NAN
    above_rate_low: float = NAN
    above_rate_high: float = NAN
    above_rate_cluster_low: float = NAN
    above_rate_cluster_high: float = NAN
    clusters: int = 0
    false_alarm_episodes: int = 0
    healthy_hours: float = 0.0
    coverage_healthy: float = NAN
    coverage_faulty: float = NAN
    not_assessed: Mapping[str, float] = field(default_factory=dict)
    events: int = 0
    events_found: int = 0
    events_not_assessed: int = 0
    event_recall: float = NAN
    event_recall_low: float = NAN
    event_recall_high: float = NAN
    detection_delay_median_s: float = NAN
    detection_delay_max_s: float = NAN
    auc: float = NAN
    auc_cases: int = 0
    auc_of: tuple[str, ...] = ()
    partial_auc: float = NAN
    vus_pr: float = NAN
    lives: int = 0
    lives_undecided: int = 0
    lives_kept: int = 0
    warning_s: float = NAN
    onset_delay_s: float = NAN
    early_false_alarm_episodes: int = 0
    promise: str = ""
    promise_by_cluster: str = ""
    coverage_verdict: str = ""
    recall_verdict: str = ""
    best_peer: str = ""
    best_peer_auc: float = NAN
    auc_against_peers: str = ""
    rms_auc: float = NAN
    auc_against_rms: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """Two ends of a two-sided interval."""

    low: float
    high: float


def unmeasured(place: Place, status: str, reason: str) -> Result:
    """The row of what was not measured."""
    return Result(**_fields(place), status=status, reason=reason)


def result_of(
    place: Place, counts: Tally, promise: Promise, *, rounds: int, seed: int, cases: int = 1, failed: int = 0
) -> Result:
    """The numbers of a tally.

    Args:
        place: What the row is named by.
        counts: What was counted.
        promise: What was declared; its confidence is that of every interval.
        rounds: Resamplings of the blocks.
        seed: Of the resampling.
        cases: How many were counted.
        failed: How many could not be, beside them.
    """
    result = Result(
        **_fields(place),
        status=OK,
        cases=cases,
        cases_failed=failed,
        declared_false_alarm_rate=promise.false_alarm_rate,
        declared_confidence=promise.confidence,
    )
    result = _with_coverage(result, counts)
    result = _with_false_alarms(result, counts, promise, rounds=rounds, seed=seed)
    result = _with_events(result, counts, promise)
    return _with_lives(_with_areas(result, counts), counts)


def _with_coverage(result: Result, counts: Tally) -> Result:
    assessed = int(counts.blocks[:, 0].sum())
    return replace(
        result,
        train_windows=counts.train_n,
        train_recordings=counts.train_recordings,
        healthy_windows=counts.healthy_n,
        healthy_assessed=assessed,
        faulty_windows=counts.faulty_n,
        faulty_assessed=counts.faulty_assessed_n,
        healthy_hours=counts.healthy_s / 3600.0,
        coverage_healthy=_share(assessed, counts.healthy_n),
        coverage_faulty=_share(counts.faulty_assessed_n, counts.faulty_n),
        not_assessed={name: n / counts.healthy_n for name, n in sorted(counts.reasons.items())},
    )


def _with_false_alarms(result: Result, counts: Tally, promise: Promise, *, rounds: int, seed: int) -> Result:
    healthy, alarm, above = (int(part) for part in counts.blocks.sum(axis=0))
    exact = [exact_interval(x, healthy, promise.confidence) for x in (alarm, above)]
    blocks = cluster_intervals(counts.blocks, promise.confidence, rounds=rounds, seed=seed)
    return replace(
        result,
        false_alarm_rate=_share(alarm, healthy),
        false_alarm_rate_low=exact[0].low,
        false_alarm_rate_high=exact[0].high,
        false_alarm_rate_cluster_low=blocks[0].low,
        false_alarm_rate_cluster_high=blocks[0].high,
        above_rate=_share(above, healthy),
        above_rate_low=exact[1].low,
        above_rate_high=exact[1].high,
        above_rate_cluster_low=blocks[1].low,
        above_rate_cluster_high=blocks[1].high,
        clusters=len(counts.blocks),
        false_alarm_episodes=counts.episodes,
        promise=_promise(exact[0].low, promise),
        promise_by_cluster=_promise(blocks[0].low, promise),
    )


def _with_events(result: Result, counts: Tally, promise: Promise) -> Result:
    found = sum(event.found for event in counts.events)
    recall = exact_interval(found, len(counts.events), promise.confidence)
    delays = [event.delay_s for event in counts.events if event.found]
    return replace(
        result,
        events=len(counts.events),
        events_found=found,
        events_not_assessed=sum(not event.assessed for event in counts.events),
        event_recall=_share(found, len(counts.events)),
        event_recall_low=recall.low,
        event_recall_high=recall.high,
        detection_delay_median_s=_median(delays),
        detection_delay_max_s=max(delays, default=NAN),
    )


def _with_areas(result: Result, counts: Tally) -> Result:
    return replace(
        result,
        auc=_mean([area.auc for area in counts.areas]),
        auc_cases=sum(not math.isnan(area.auc) for area in counts.areas),
        partial_auc=_mean([area.partial_auc for area in counts.areas]),
        vus_pr=_mean([area.vus_pr for area in counts.areas]),
    )


def _with_lives(result: Result, counts: Tally) -> Result:
    return replace(
        result,
        lives=len(counts.warned),
        lives_undecided=sum(not life.can_be_kept for life in counts.warned),
        lives_kept=sum(life.kept for life in counts.warned),
        warning_s=_median([life.warning_s for life in counts.warned]),
        onset_delay_s=_median([life.delay_s for life in counts.warned]),
        early_false_alarm_episodes=sum(life.early_episodes for life in counts.warned),
    )


def exact_interval(x: int, n: int, confidence: float) -> Interval:
    """Two-sided Clopper-Pearson interval: each side leaves out half of what is not confident; NaN of nothing."""
    if not n:
        return Interval(NAN, NAN)
    bounds = proportion_bounds(x, n, confidence=(1.0 + confidence) / 2.0)
    return Interval(bounds.lower, bounds.upper)


def cluster_intervals(
    blocks: NDArray[np.int64], confidence: float, *, rounds: int, seed: int
) -> tuple[Interval, Interval]:
    """Percentile intervals of the shares of both counts, from drawing whole blocks anew; NaN of fewer than two.

    Source: A. Davison, D. Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Args:
        blocks: (m, 3) windows of each block, and the two counts of it.
        confidence: Two-sided.
        rounds: How often.
        seed: Draws them.
    """
    if len(blocks) < 2:  # noqa: PLR2004 - one block drawn again and again is always the same
        return Interval(NAN, NAN), Interval(NAN, NAN)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(blocks), np.full(len(blocks), 1.0 / len(blocks)), size=rounds) @ blocks
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn[:, 1:] / drawn[:, :1], (tail, 1.0 - tail), axis=0)
    return Interval(float(low[0]), float(high[0])), Interval(float(low[1]), float(high[1]))


def _fields(place: Place) -> dict[str, Any]:
    return {part.name: getattr(place, part.name) for part in fields(Place)}


def _promise(low: float, promise: Promise) -> str:
    """Kept as long as the interval reaches down to what was declared; undecided where there is none."""
    if math.isnan(low):
        return UNDECIDED
    return KEPT if low <= promise.false_alarm_rate else MISSED


def _share(part: int, whole: int) -> float:
    return part / whole if whole else NAN


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else NAN


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else NAN
