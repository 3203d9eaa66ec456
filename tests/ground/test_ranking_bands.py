"""Bands about ranking curves: by group, about the curve, and the same every time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ground import metrics
from ground.ranking_bands import RESAMPLES, ranking_bands
from ground.replay import Replay

N_GROUP, N_WINDOW = 40, 12


def answers(*, copies=1, faulty_groups=N_GROUP // 2, spread=1.0):
    """Forty groups of windows that resemble each other; the faulty ones lie higher. ``copies`` of every window."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(N_GROUP), N_WINDOW)
    faulty = group < faulty_groups
    score = np.exp(spread * rng.normal(size=N_GROUP)[group] + 0.2 * rng.normal(size=len(group)) + 1.5 * faulty)
    group, faulty, score = (np.repeat(part, copies) for part in (group, faulty, score))
    rows = pd.DataFrame({
        "group": [f"g{number:02d}" for number in group], "label": faulty.astype(np.int8), "fault_type": "",
    })  # fmt: skip
    n = len(rows)
    return Replay(
        rows=rows, score=score, threshold=np.ones(n), state=np.full(n, "normal", dtype=object),
        raised=np.zeros(n, dtype=bool),
    )  # fmt: skip


def test_the_curves_lie_within_their_bands():
    """Both, nearly everywhere; and bands are bands."""
    one = answers()
    bands = ranking_bands(one, seed=1)
    assert bands.resamples == RESAMPLES
    roc = metrics.roc_curve(one.faulty, one.ratio, points=10_000)
    pr = metrics.pr_curve(one.faulty, one.ratio, points=10_000)
    recall = roc.y[np.searchsorted(roc.x, bands.roc.x, side="right") - 1]
    precision = pr.y[np.searchsorted(pr.x, bands.pr.x).clip(max=len(pr.y) - 1)]
    for band, curve in ((bands.roc, recall), (bands.pr, precision)):
        assert (band.low <= band.high).all()
        assert ((band.low <= curve) & (curve <= band.high)).mean() > 0.95
        assert (band.high - band.low).max() > 0.1
    assert bands.roc.high[-1] == bands.roc.low[-1] == 1.0


def test_more_windows_of_the_same_groups_make_no_surer():
    """Each window three times: the same bands, to the bit; a bootstrap over windows would narrow them."""
    once, thrice = ranking_bands(answers(), seed=1), ranking_bands(answers(copies=3), seed=1)
    assert np.array_equal(once.roc.low, thrice.roc.low)
    assert once.pr.high == pytest.approx(thrice.pr.high)


def test_a_perfect_ranking_has_no_width():
    """Whatever is drawn, everything faulty is above everything healthy."""
    bands = ranking_bands(answers(spread=0.0), seed=1)
    assert bands.roc.low.min() == pytest.approx(1.0)


def test_seeded():
    """The same seed gives the same bands, another one others."""
    first, again, other = (ranking_bands(answers(), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.roc.low, again.roc.low)
    assert not np.array_equal(first.roc.low, other.roc.low)


@pytest.mark.parametrize("faulty_groups", [0, N_GROUP])
def test_one_class_has_no_bands(faulty_groups):
    """Empty, as the curves are."""
    bands = ranking_bands(answers(faulty_groups=faulty_groups), seed=1)
    assert (bands.resamples, len(bands.roc.x), len(bands.pr.x)) == (0, 0, 0)


def test_one_faulty_group_is_enough():
    """No resample lacks a class."""
    bands = ranking_bands(answers(faulty_groups=1), seed=1)
    assert np.isfinite(bands.roc.low).all()
    assert np.isfinite(bands.pr.high).all()
