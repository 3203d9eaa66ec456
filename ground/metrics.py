"""Detection metrics as pure functions of arrays. Nothing is adjusted: no window counts as found because its event was.

A number that the data do not define (a recall without faulty windows) is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

NS_PER_HOUR = 3_600_000_000_000
PREVALENCES = (0.10, 0.05, 0.01)
PARTIAL_AUC_RATE = 0.1
"""False-alarm rates up to here count in the partial AUC: nobody flies a detector beyond."""
F_BETA = 0.5
"""Precision weighs twice as much as recall: an alarm grounds an aircraft."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Windows by truth and answer: faulty or healthy, in alarm or not."""

    true_alarm: int
    false_alarm: int
    missed: int
    quiet: int

    @property
    def precision(self) -> float:
        """Share of the windows in alarm that are faulty."""
        return _ratio(self.true_alarm, self.true_alarm + self.false_alarm)

    @property
    def recall(self) -> float:
        """Share of the faulty windows that are in alarm."""
        return _ratio(self.true_alarm, self.true_alarm + self.missed)

    @property
    def false_alarm_rate(self) -> float:
        """Share of the healthy windows that are in alarm."""
        return _ratio(self.false_alarm, self.false_alarm + self.quiet)

    @property
    def f_half(self) -> float:
        """F0.5 of precision and recall."""
        return f_beta(self.precision, self.recall)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve, from the highest score down, thinned; ``level`` is the score from which a window counts."""

    level: Floats
    x: Floats
    y: Floats


def count(faulty: Bools, alarm: Bools) -> Counts:
    """Count windows.

    Args:
        faulty: (n,) the truth.
        alarm: (n,) the answer.
    """
    return Counts(
        true_alarm=int(np.count_nonzero(faulty & alarm)),
        false_alarm=int(np.count_nonzero(~faulty & alarm)),
        missed=int(np.count_nonzero(faulty & ~alarm)),
        quiet=int(np.count_nonzero(~faulty & ~alarm)),
    )


def f_beta(precision: float, recall: float) -> float:
    """``(1 + b^2) P R / (b^2 P + R)`` with b = 0.5 (C. van Rijsbergen, Information Retrieval, 1979)."""
    weight = F_BETA * F_BETA
    return _ratio((1.0 + weight) * precision * recall, weight * precision + recall)


def auc(faulty: Bools, score: Floats) -> float:
    """Probability that a faulty window scores higher than a healthy one, ties counting half (Mann-Whitney U).

    Args:
        faulty: (n,) the truth.
        score: (n,) higher is stranger.
    """
    n_faulty = int(np.count_nonzero(faulty))
    n_healthy = len(faulty) - n_faulty
    ranks = float(np.sum(rankdata(score)[faulty]))
    return _ratio(ranks - n_faulty * (n_faulty + 1) / 2.0, float(n_faulty) * n_healthy)


def group_auc(groups: NDArray[np.str_], faulty: Bools, score: Floats) -> float:
    """``auc`` in which every group weighs alike, its healthy and its faulty windows apart, however many it has.

    Args:
        groups: (n,) names.
        faulty: (n,) the truth.
        score: (n,) higher is stranger.
    """
    _, group = np.unique(groups, return_inverse=True)
    _, part, part_n = np.unique(2 * group + faulty, return_inverse=True, return_counts=True)
    _, level = np.unique(score, return_inverse=True)
    weight = 1.0 / part_n[part]
    faulty_weight = np.bincount(level, weights=weight * faulty)
    healthy_weight = np.bincount(level, weights=weight * ~faulty)
    below = np.cumsum(healthy_weight) - healthy_weight / 2.0
    area = _ratio(float(faulty_weight @ below), float(faulty_weight.sum() * healthy_weight.sum()))
    # Sums of thirds may end a bit above one.
    return min(area, 1.0)


def partial_auc(faulty: Bools, score: Floats, *, rate: float = PARTIAL_AUC_RATE) -> float:
    """AUC up to a false-alarm rate, scaled so that chance is 0.5 and perfection 1.

    Source: D. McClish, Medical Decision Making 9 (1989).

    Args:
        faulty: (n,) the truth.
        score: (n,) higher is stranger.
        rate: Largest false-alarm rate that counts.
    """
    if not _has_both(faulty):
        return float("nan")
    _, false_rate, true_rate = _rates(faulty, score)
    stop = int(np.searchsorted(false_rate, rate, side="right"))
    end = np.interp(rate, false_rate[stop - 1 : stop + 1], true_rate[stop - 1 : stop + 1])
    area = float(np.trapezoid(np.append(true_rate[:stop], end), np.append(false_rate[:stop], rate)))
    chance = rate * rate / 2.0
    return 0.5 * (1.0 + (area - chance) / (rate - chance))


def average_precision(faulty: Bools, score: Floats) -> float:
    """Area under the precision-recall curve as a sum of steps: ``sum((R_i - R_(i-1)) P_i)``."""
    if not _has_both(faulty):
        return float("nan")
    _, true_n, false_n = _cumulated(faulty, score)
    recall = true_n / true_n[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * true_n / (true_n + false_n)))


def roc_curve(faulty: Bools, score: Floats, *, points: int) -> Curve:
    """False-alarm rate (x) against recall (y) of single windows, before persistence; empty without both classes.

    Args:
        faulty: (n,) the truth.
        score: (n,) higher is stranger.
        points: At most so many points are kept, evenly along the curve, both ends among them.
    """
    if not _has_both(faulty):
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    return _thinned(*_rates(faulty, score), points)


def pr_curve(faulty: Bools, score: Floats, *, points: int) -> Curve:
    """Recall (x) against precision (y) of single windows, before persistence; see ``roc_curve``."""
    if not _has_both(faulty):
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    level, true_n, false_n = _cumulated(faulty, score)
    return _thinned(level, true_n / true_n[-1], true_n / (true_n + false_n), points)


def precision_at(recall: float, false_alarm_rate: float, prevalence: float) -> float:
    """Precision where ``prevalence`` of the windows are faulty (Bayes): ``p R / (p R + (1 - p) F)``."""
    true = prevalence * recall
    return _ratio(true, true + (1.0 - prevalence) * false_alarm_rate)


def group_means(groups: NDArray[np.str_], flags: Bools) -> Floats:
    """Share of true flags of each group, in the order of the groups' names.

    Args:
        groups: (n,) names.
        flags: (n,) flags.
    """
    _, group, n = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(group, weights=flags, minlength=len(n)) / n)


def covered_hours(start_ns: Ints, end_ns: Ints) -> float:
    """Hours of signal that some spans cover together, overlaps once.

    Args:
        start_ns: (n,) starts, ascending.
        end_ns: (n,) ends, ascending.
    """
    if len(start_ns) == 0:
        return 0.0
    before = np.concatenate([start_ns[:1], end_ns[:-1]])
    return float(np.sum(end_ns - np.maximum(start_ns, before))) / NS_PER_HOUR


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _has_both(faulty: Bools) -> bool:
    return bool(faulty.any() and not faulty.all())


def _cumulated(faulty: Bools, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Levels, descending, each once, and the faulty and healthy windows that reach them."""
    order = np.argsort(-score, kind="stable")
    level = score[order]
    last_of_level = np.flatnonzero(np.append(np.diff(level) != 0.0, True))
    true_n = np.cumsum(faulty[order]).astype(np.float64)[last_of_level]
    return level[last_of_level], true_n, last_of_level + 1.0 - true_n


def _rates(faulty: Bools, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Levels, false-alarm rates and recalls, beginning at (0, 0) above the highest score."""
    level, true_n, false_n = _cumulated(faulty, score)
    return (
        np.append(level[0], level),
        np.append(0.0, false_n / false_n[-1]),
        np.append(0.0, true_n / true_n[-1]),
    )


def _thinned(level: Floats, x: Floats, y: Floats, points: int) -> Curve:
    if len(level) > points:
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        kept = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], points)).clip(max=len(level) - 1))
        level, x, y = level[kept], x[kept], y[kept]
    return Curve(level, x, y)
