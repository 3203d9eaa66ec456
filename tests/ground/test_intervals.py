"""Confidence bounds against closed forms and scipy's exact intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from ground.intervals import (
    NO_RANK,
    confidence_of_rank,
    fewest_for_bound,
    lower_rank,
    proportion_bounds,
    upper_rank,
)

KNOWN = [
    (0, 59, 0.0, 1 - 0.05 ** (1 / 59)),
    (20, 20, 0.05 ** (1 / 20), 1.0),
    (1, 93, 1 - 0.95 ** (1 / 93), 0.05),
    (4, 200, 0.0069, 0.0452),
    (38, 40, 0.8508, 0.9910),
]
"""x, n and the one-sided 95 % bounds: closed forms for none and all, published tables for the rest."""


@pytest.mark.parametrize(("x", "n", "lower", "upper"), KNOWN)
def test_known_bounds(x, n, lower, upper):
    """None, all and a few successes."""
    bounds = proportion_bounds(x, n, confidence=0.95)
    assert bounds.lower == pytest.approx(lower, abs=1e-4)
    assert bounds.upper == pytest.approx(upper, abs=1e-4)


@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (1, 2), (3, 7), (19, 93), (20, 20)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_whole_counts_equal_the_exact_interval(x, n, confidence):
    """The two one-sided bounds are scipy's two-sided exact interval at twice the risk."""
    expected = binomtest(x, n).proportion_ci(confidence_level=2 * confidence - 1, method="exact")
    bounds = proportion_bounds(x, n, confidence=confidence)
    assert (bounds.lower, bounds.upper) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_real_counts_lie_between_their_whole_neighbours():
    """Bounds grow with every part of a success."""
    counts = np.linspace(0.0, 12.0, 49)
    bounds = [proportion_bounds(float(x), 12, confidence=0.95) for x in counts]
    assert np.all(np.diff([bound.lower for bound in bounds]) > 0)
    assert np.all(np.diff([bound.upper for bound in bounds][:-1]) > 0)


def test_nothing_is_known_without_observations():
    """No observation leaves the whole range open."""
    assert proportion_bounds(0, 0, confidence=0.95).lower == 0.0
    assert proportion_bounds(0, 0, confidence=0.95).upper == 1.0


@pytest.mark.parametrize("x", [-0.1, 5.1, math.nan])
def test_impossible_counts_are_refused(x):
    """More successes than observations, or fewer than none."""
    with pytest.raises(ValueError, match="expected 0 to 5"):
        proportion_bounds(x, 5, confidence=0.95)


@pytest.mark.parametrize(("share", "fewest"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_wilks_sample_sizes(share, fewest):
    """Wilks: 59 values for 5 %, 299 for 1 %, 2,995 for 0.1 %, at 95 % confidence; one fewer bounds nothing."""
    assert fewest_for_bound(share, 0.95) == fewest
    assert upper_rank(fewest, share, 0.95) == fewest
    assert upper_rank(fewest - 1, share, 0.95) == NO_RANK


@pytest.mark.parametrize(("n", "rank"), [(92, 92), (93, 92), (124, 122), (200, 196)])
def test_ranks_of_larger_samples(n, rank):
    """The second largest of 93 is enough, and so on (G. Hahn, W. Meeker, Statistical Intervals, 1991)."""
    assert upper_rank(n, 0.05, 0.95) == rank
    assert confidence_of_rank(rank, n, 0.05) >= 0.95 > confidence_of_rank(rank - 1, n, 0.05)


def test_largest_value_has_the_closed_form_confidence():
    """The largest of n bounds all but p with confidence 1 - (1 - p)^n."""
    assert confidence_of_rank(4, 4, 0.05) == pytest.approx(1 - 0.95**4, rel=1e-12)


def test_lower_rank_is_a_bound_from_below():
    """The value of that rank lies at or under the quantile with at least the confidence, the next one does not."""
    rank = lower_rank(1000, 0.01, 0.95)
    assert binom.sf(rank - 1, 1000, 0.99) >= 0.95 > binom.sf(rank, 1000, 0.99)
    assert lower_rank(1, 0.5, 0.95) == NO_RANK
    assert lower_rank(0, 0.01, 0.95) == NO_RANK
