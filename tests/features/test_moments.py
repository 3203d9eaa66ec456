"""Merging moments: any partition gives the moments of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_features.moments import BLOCK_N, merge_moments, moments_of


def reference(x):
    """Two-pass central sums."""
    d = x - x.mean()
    return x.size, x.mean(), (d**2).sum(), (d**3).sum(), (d**4).sum()


@pytest.mark.parametrize("n", [1, 2, 7, BLOCK_N - 1, BLOCK_N, BLOCK_N + 1, 3 * BLOCK_N + 5])
def test_moments_agree_with_two_passes(n):
    """Lengths below, at and above the block length."""
    x = np.random.default_rng(n).exponential(size=n)
    got = moments_of(x)
    assert (got.n, got.mean, got.m2, got.m3, got.m4) == pytest.approx(reference(x), rel=1e-12, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(1, 999), max_size=8, unique=True), offset=st.sampled_from([0.0, 1e3, 1e9]))
def test_any_partition_merges_to_the_whole(cuts, offset):
    """Pébay's formulas hold for parts of any lengths, at large offsets too."""
    x = np.random.default_rng(1).integers(-50, 50, 1000).astype(np.float64)
    parts = [moments_of(part) for part in np.split(x + offset, sorted(cuts))]
    got = merge_moments(parts)
    n, mean, *sums = reference(x)
    assert got.n == n
    assert got.mean - offset == pytest.approx(mean, abs=1e-6)
    assert (got.m2, got.m3, got.m4) == pytest.approx(tuple(sums), rel=1e-6, abs=1.0)


def test_a_constant_has_no_spread_even_at_1e15():
    """A constant column at 1e15 has exactly zero central sums."""
    got = moments_of(np.full(5000, 1e15))
    assert (got.mean, got.m2, got.m3, got.m4) == (1e15, 0.0, 0.0, 0.0)
