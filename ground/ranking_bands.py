"""How far ROC and precision-recall curves may lie elsewhere: a bootstrap over groups, not windows.

Source: percentile bootstrap of clusters, B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), ch. 13;
bands are pointwise, at fixed false-alarm rates and recalls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.replay import Replay

Floats = NDArray[np.float64]

RESAMPLES = 200
CONFIDENCE = 0.95
_GRID = 51


@dataclass(frozen=True, slots=True)
class Band:
    """``low`` to ``high`` at each ``x``; all (n,), empty where there is no curve."""

    x: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingBands:
    """Bands about the curves of the shipped detector.

    Attributes:
        resamples: How often groups were drawn anew.
        confidence: Of each band, pointwise and two-sided.
        roc: Recall at false-alarm rates.
        pr: Precision at recalls.
    """

    resamples: int
    confidence: float
    roc: Band
    pr: Band


def ranking_bands(answers: Replay, *, seed: int) -> RankingBands:
    """Bands of single windows before persistence, as the curves are.

    Groups with a faulty window and groups without are drawn apart, so that no resample lacks a class.

    Args:
        answers: Replayed flights.
        seed: Draws the groups.
    """
    judged = answers.select(answers.judged)
    if not judged.faulty.any() or judged.faulty.all():
        nothing = Band(np.zeros(0), np.zeros(0), np.zeros(0))
        return RankingBands(resamples=0, confidence=CONFIDENCE, roc=nothing, pr=nothing)
    order = np.argsort(-judged.ratio, kind="stable")
    last = np.flatnonzero(np.append(np.diff(judged.ratio[order]) != 0.0, True))
    faulty = judged.faulty[order]
    rows: list[tuple[Floats, Floats]] = []
    grid = np.linspace(0.0, 1.0, _GRID)
    for weights in _weights(judged, np.random.default_rng(seed)):
        drawn = weights[order]
        rows.append(_curves(np.cumsum(drawn * faulty)[last], np.cumsum(drawn * ~faulty)[last], grid))
    roc, pr = (_band(grid, np.array(part)) for part in zip(*rows, strict=True))
    return RankingBands(resamples=RESAMPLES, confidence=CONFIDENCE, roc=roc, pr=pr)


def _weights(judged: Replay, rng: np.random.Generator) -> list[Floats]:
    """(n,) for each resample: how often the group of each window was drawn; both classes have a window."""
    names, group = np.unique(judged.rows["group"].to_numpy(dtype=str), return_inverse=True)
    has_fault = np.bincount(group, weights=judged.faulty, minlength=len(names)) > 0
    has_health = np.bincount(group, weights=~judged.faulty, minlength=len(names)) > 0
    found: list[Floats] = []
    while len(found) < RESAMPLES:
        counts = np.zeros(len(names))
        for side in (np.flatnonzero(has_fault), np.flatnonzero(~has_fault)):
            if len(side):
                counts += np.bincount(rng.choice(side, len(side)), minlength=len(names))
        if counts[has_health].any():
            found.append(counts[group])
    return found


def _curves(true_n: Floats, false_n: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Recall at each false-alarm rate of the grid, and precision at each recall of it."""
    recall, rate = np.append(0.0, true_n / true_n[-1]), np.append(0.0, false_n / false_n[-1])
    seen = true_n + false_n
    precision = np.divide(true_n, seen, out=np.ones_like(true_n), where=seen > 0.0)
    at_rate = recall[np.searchsorted(rate, grid, side="right") - 1]
    at_recall = precision[np.searchsorted(recall[1:], grid, side="left").clip(max=len(precision) - 1)]
    return at_rate, at_recall


def _band(grid: Floats, values: Floats) -> Band:
    outside = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, (outside, 1.0 - outside), axis=0)
    return Band(grid, low, high)
