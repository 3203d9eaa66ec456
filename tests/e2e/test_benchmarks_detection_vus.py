"""VUS-PR against hand-made cases, and against the formulas of its paper written as loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks.detection.vus import vus_pr


def volume(faulty, score, *, series=None, counted=None, longest_n=0):
    """``vus_pr`` on lists."""
    n = len(faulty)
    return vus_pr(
        np.zeros(n, dtype=np.int64) if series is None else np.array(series),
        np.array(faulty, dtype=bool),
        np.ones(n, dtype=bool) if counted is None else np.array(counted, dtype=bool),
        np.array(score, dtype=float),
        longest_n=longest_n,
    )


def events_of(series, faulty):
    """Runs of faulty windows, each as its first and last number."""
    begins = [
        at for at in range(len(faulty)) if faulty[at] and not (at and faulty[at - 1] and same(series, at, at - 1))
    ]
    ends = [
        at
        for at in range(len(faulty))
        if faulty[at] and not (faulty[at + 1 : at + 2].any() and same(series, at, at + 1))
    ]
    return list(zip(begins, ends, strict=True))


def same(series, one, other):
    """Whether two windows are of one recording."""
    return series[one] == series[other]


def blurred(series, faulty, length):
    """Labels with slopes."""
    label = np.array(faulty, dtype=float)
    for first, last in events_of(series, faulty):
        for at in range(len(label)):
            distance = max(first - at, at - last)
            if 0 < distance <= length // 2 and same(series, at, first):
                label[at] = max(label[at], math.sqrt(1 - distance / length))
    return label


def area_by_loops(series, faulty, score, length):
    """Area under precision over recall, one threshold after the other."""
    label, events = blurred(series, faulty, length), events_of(series, faulty)
    area, before = 0.0, 0.0
    for level in sorted(set(score), reverse=True):
        predicted = {at for at in range(len(score)) if score[at] >= level}
        true = sum(label[at] for at in predicted)
        reach = [
            {
                at
                for at in range(first - length // 2, last + length // 2 + 1)
                if 0 <= at < len(score) and same(series, at, first)
            }
            for first, last in events
        ]
        met = sum(bool(near & predicted) for near in reach)
        recall = min(true / ((sum(faulty) + sum(label)) / 2), 1) * met / len(events)
        area, before = area + (recall - before) * true / len(predicted), recall
    return area


def by_loops(series, faulty, score, longest_n):
    """Sections 4.1 and 4.2 of the paper, one buffer after the other."""
    return float(np.mean([area_by_loops(series, faulty, score, length) for length in range(longest_n + 1)]))


@pytest.mark.parametrize(
    ("name", "faulty", "score", "expected"),
    [
        ("perfect, one event", [0, 0, 1, 1, 0], [1, 2, 8, 9, 3], 1.0),
        ("upside down", [0, 1, 0, 0], [2, 1, 3, 4], 0.25),
        ("all alike: precision is the prevalence", [0, 1, 1, 0], [5, 5, 5, 5], 0.5),
        # Two events: the first window found meets one of two, so recall is 1/2 * 1/2, then 1 at full precision.
        ("two events", [1, 0, 1, 0], [9, 1, 8, 2], 1.0),
        # At the score 8: precision 1/2, recall 1/2 * 1/2 = 1/4 (before: 0); at 7: 2/3, recall 1. 1/4 * 1/2 + 3/4 * 2/3.
        ("a false alarm first", [1, 0, 1, 0], [8, 9, 7, 2], 0.25 * 0.5 + 0.75 * 2 / 3),
    ],
)  # fmt: skip
def test_without_buffer_by_hand(name, faulty, score, expected):
    """Buffer 0: precision and recall of windows, times the share of events met."""
    assert volume(faulty, score) == pytest.approx(expected), name


def test_one_event_without_buffer_is_average_precision():
    """With a single event that the first true window meets, recall and precision are the usual ones."""
    rng = np.random.default_rng(1)
    faulty = np.zeros(60, dtype=int)
    faulty[20:35] = 1
    score = rng.normal(size=60) + faulty
    assert volume(faulty, score) == pytest.approx(average_precision_score(faulty, score))


def test_buffer_by_hand():
    """Buffer 2: the neighbours of window 2 count sqrt(1/2); two thirds of an alarm one window late are forgiven."""
    root = math.sqrt(0.5)
    faulty, score = [0, 0, 1, 0, 0], [1, 2, 4, 5, 3]
    positives = (1 + 1 + 2 * root) / 2
    at_5 = (root / positives) * root
    second = (1 + root) / positives
    assert second == 1.0
    at_4 = (1 - root / positives) * (1 + root) / 2
    area_2 = at_5 + at_4
    # Buffers 0 and 1 have no slope: the true window comes second.
    assert volume(faulty, score, longest_n=2) == pytest.approx((0.5 + 0.5 + area_2) / 3)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_papers_loops(seed):
    """On random series of several recordings, with ties."""
    rng = np.random.default_rng(seed)
    n = 40
    series = np.sort(rng.integers(0, 3, n))
    faulty = (rng.random(n) < 0.3).astype(int)
    faulty[0], faulty[-1] = 1, 0
    score = rng.integers(0, 12, n).astype(float) + 3 * faulty
    assert volume(faulty, score, series=series, longest_n=6) == pytest.approx(by_loops(series, faulty, score, 6))


def test_slopes_stay_in_their_recording():
    """What follows a faulty recording in the table is another recording, not the time after the fault."""
    faulty, score = [1, 1, 0, 0], [1, 2, 9, 3]
    apart = volume(faulty, score, series=[0, 0, 1, 1], longest_n=4)
    assert apart < volume(faulty, score, longest_n=4)
    assert apart == pytest.approx(volume(faulty, score, series=[0, 0, 1, 1]))


def test_windows_that_do_not_count_keep_their_place():
    """Unlabelled windows before a fault take up its slope and are judged by nothing."""
    faulty, score = [0, 0, 0, 1], [5, 1, 9, 8]
    shown = volume(faulty, score, counted=[1, 1, 0, 1], longest_n=2)
    # The neighbour of the fault is out: no slope is left, the order 8 > 5 > 1 is perfect; but its label still counts
    # in nothing.
    assert shown == pytest.approx(1.0)


@pytest.mark.parametrize("faulty", [[0, 0], [1, 1]])
def test_one_class_defines_nothing(faulty):
    """Healthy alone, faulty alone."""
    assert math.isnan(volume(faulty, [1, 2]))


def test_buffer_longer_than_the_series():
    """Slopes are cut at its ends."""
    assert 0.0 < volume([1, 0], [1, 2], longest_n=10) <= 1.0
