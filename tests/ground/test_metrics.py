"""Metrics against scikit-learn and hand-computed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from ground import metrics

HOUR_NS = 3_600 * 10**9


def sample(seed, n=400, *, ties):
    """Truth and scores, faulty ones higher on average; rounded scores tie."""
    rng = np.random.default_rng(seed)
    faulty = rng.random(n) < 0.3
    score = rng.normal(size=n) + faulty
    return faulty, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_ranking_metrics_equal_scikit_learn(seed, ties):
    """AUC, standardised partial AUC and average precision."""
    faulty, score = sample(seed, ties=ties)
    assert metrics.auc(faulty, score) == pytest.approx(reference.roc_auc_score(faulty, score), abs=1e-12)
    for rate in (0.05, 0.1, 0.5):
        expected = reference.roc_auc_score(faulty, score, max_fpr=rate)
        assert metrics.partial_auc(faulty, score, rate=rate) == pytest.approx(expected, abs=1e-12)
    expected = reference.average_precision_score(faulty, score)
    assert metrics.average_precision(faulty, score) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_answers_equal_scikit_learn(seed):
    """Precision, recall and F0.5 of a thresholded score."""
    faulty, score = sample(seed, ties=False)
    alarm = score > 0.8
    counts = metrics.count(faulty, alarm)
    assert counts.precision == pytest.approx(reference.precision_score(faulty, alarm))
    assert counts.recall == pytest.approx(reference.recall_score(faulty, alarm))
    assert counts.f_half == pytest.approx(reference.fbeta_score(faulty, alarm, beta=0.5))
    assert counts.false_alarm_rate == pytest.approx(np.mean(alarm[~faulty]))


def test_auc_by_hand():
    """Pairs in order, tied and reversed: (1 + 0.5 + 0 + 1 + 1 + 0.5) / 6."""
    faulty = np.array([True, True, False, False, False])
    score = np.array([2.0, 3.0, 1.0, 2.0, 3.0])
    assert metrics.auc(faulty, score) == pytest.approx((1 + 0.5 + 0 + 1 + 1 + 0.5) / 6)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_group_auc_is_scikit_learns_with_weights(seed, ties):
    """A window weighs one over the windows of its group and class."""
    faulty, score = sample(seed, ties=ties)
    groups = np.random.default_rng(seed).integers(7, size=len(score)).astype(str)
    kinds = list(zip(groups, faulty, strict=True))
    weight = [1.0 / kinds.count(kind) for kind in kinds]
    expected = reference.roc_auc_score(faulty, score, sample_weight=weight)
    assert metrics.group_auc(groups, faulty, score) == pytest.approx(expected, abs=1e-12)


def test_one_long_flight_outweighs_no_others():
    """Of two faulty groups the one of a thousand windows is above all healthy ones, the other below."""
    faulty = np.array([True] * 1001 + [False] * 2)
    groups = np.array(["long"] * 1000 + ["short", "quiet", "calm"])
    score = np.array([3.0] * 1000 + [0.0, 1.0, 2.0])
    assert metrics.auc(faulty, score) > 0.99
    assert metrics.group_auc(groups, faulty, score) == pytest.approx(0.5)
    assert metrics.group_auc(groups, faulty, faulty * 1.0) == pytest.approx(1.0)


def test_counts_by_hand():
    """One window of each kind, two of the missed ones."""
    faulty = np.array([True, False, True, False, True])
    alarm = np.array([True, True, False, False, False])
    assert metrics.count(faulty, alarm) == metrics.Counts(true_alarm=1, false_alarm=1, missed=2, quiet=1)


@pytest.mark.parametrize("faulty", [np.zeros(4, dtype=bool), np.ones(4, dtype=bool), np.zeros(0, dtype=bool)])
def test_one_class_defines_no_ranking(faulty):
    """Without both classes there is no number, and no error."""
    score = np.arange(len(faulty), dtype=float)
    assert math.isnan(metrics.auc(faulty, score))
    assert math.isnan(metrics.group_auc(score.astype(str), faulty, score))
    assert math.isnan(metrics.partial_auc(faulty, score))
    assert math.isnan(metrics.average_precision(faulty, score))
    assert len(metrics.roc_curve(faulty, score, points=10).x) == 0
    assert len(metrics.pr_curve(faulty, score, points=10).x) == 0


def test_no_alarm_defines_no_precision():
    """A silent detector has a recall of 0 and no precision."""
    counts = metrics.count(np.array([True, False]), np.array([False, False]))
    assert math.isnan(counts.precision)
    assert counts.recall == 0.0


def test_curves_equal_scikit_learn():
    """Every point of the whole curves, from the highest score down."""
    faulty, score = sample(1, ties=True)
    curve = metrics.roc_curve(faulty, score, points=10_000)
    false_rate, true_rate, level = reference.roc_curve(faulty, score, drop_intermediate=False)
    assert curve.x == pytest.approx(false_rate)
    assert curve.y == pytest.approx(true_rate)
    assert curve.level[1:] == pytest.approx(level[1:])
    curve = metrics.pr_curve(faulty, score, points=10_000)
    precision, recall, level = reference.precision_recall_curve(faulty, score)
    assert curve.x == pytest.approx(recall[-2::-1])
    assert curve.y == pytest.approx(precision[-2::-1])
    assert curve.level == pytest.approx(level[::-1])


def test_thinned_curves_keep_their_ends():
    """Fewer points, all of them points of the whole curve, both ends among them."""
    faulty, score = sample(2, n=5000, ties=False)
    whole = metrics.roc_curve(faulty, score, points=10_000)
    thin = metrics.roc_curve(faulty, score, points=50)
    assert len(thin.x) <= 50
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert set(zip(thin.x, thin.y, strict=True)) <= set(zip(whole.x, whole.y, strict=True))
    assert np.trapezoid(thin.y, thin.x) == pytest.approx(np.trapezoid(whole.y, whole.x), abs=0.01)


PREVALENCES = [(0.85, 0.05, 0.01, 0.1466), (0.85, 0.05, 0.25, 0.85), (1.0, 0.0, 0.01, 1.0)]
"""Recall, false-alarm rate, prevalence and the precision they give (Bayes)."""


@pytest.mark.parametrize(("recall", "rate", "prevalence", "expected"), PREVALENCES)
def test_precision_at_a_prevalence(recall, rate, prevalence, expected):
    """The gates themselves mean a precision of 0.147 where 1 % of the windows are faulty."""
    assert metrics.precision_at(recall, rate, prevalence) == pytest.approx(expected, abs=1e-4)


SPANS = [
    ("none", [], [], 0.0),
    ("one", [0], [2], 2.0),
    ("apart", [0, 3], [1, 4], 2.0),
    ("touching", [0, 1], [1, 2], 2.0),
    ("overlapping", [0, 1, 2], [5, 6, 7], 7.0),
]


@pytest.mark.parametrize(("starts", "ends", "hours"), [row[1:] for row in SPANS], ids=[row[0] for row in SPANS])
def test_covered_hours(starts, ends, hours):
    """Overlapping windows cover their time once."""
    start_ns, end_ns = (np.array(part, dtype=np.int64) * HOUR_NS for part in (starts, ends))
    assert metrics.covered_hours(start_ns, end_ns) == pytest.approx(hours)
