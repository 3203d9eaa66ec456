"""Merging moments: parts give the moments of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_features.moments import add_up, merge_moments


def moments(x):
    """Two-pass mean and central sums of some samples."""
    d = x - x.mean()
    return float(x.mean()), float((d**2).sum()), float((d**3).sum()), float((d**4).sum())


@settings(max_examples=100, deadline=None)
@given(
    n_part=st.integers(1, 12),
    n=st.integers(1, 40),
    offset=st.sampled_from([0.0, 1e3, 1e9]),
    seed=st.integers(0, 99),
)
def test_parts_merge_to_the_whole(n_part, n, offset, seed):
    """Pébay's formulas hold for any number of parts, at large offsets too."""
    x = np.random.default_rng(seed).integers(-50, 50, (n_part, n)).astype(np.float64)
    mean, *central = merge_moments(*zip(*(moments(part + offset) for part in x), strict=True), n)
    whole = moments(x.reshape(-1))
    assert mean - offset == pytest.approx(whole[0], abs=1e-6)
    assert central == pytest.approx(whole[1:], rel=1e-6, abs=1.0)


def test_constants_have_no_spread_even_at_1e15():
    """Constant parts at 1e15 merge to exactly zero central sums."""
    zeros = [0.0] * 10
    assert merge_moments([1e15] * 10, zeros, zeros, zeros, 2560) == (1e15, 0.0, 0.0, 0.0)


def test_values_are_added_up_in_their_order():
    """1e16 swallows each 1 that follows it, one after the other; an exact sum would not."""
    assert add_up([1e16, 1.0, 1.0]) == 1e16
    assert add_up([1.0, 1.0, 1e16]) == 1e16 + 2.0
    assert add_up((7.0,)) == 7.0
