"""Merging moments: parts give the moments of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_features.moments import Moments, merge_moments, sum_parts


def reference(x):
    """Two-pass mean and central sums along the last axis."""
    d = x - x.mean(axis=-1, keepdims=True)
    return Moments(x.mean(axis=-1), (d**2).sum(axis=-1), (d**3).sum(axis=-1), (d**4).sum(axis=-1))


@settings(max_examples=50, deadline=None)
@given(
    n_part=st.integers(1, 12),
    n=st.integers(1, 40),
    n_set=st.integers(1, 5),
    offset=st.sampled_from([0.0, 1e3, 1e9]),
    seed=st.integers(0, 99),
)
def test_parts_merge_to_the_whole(n_part, n, n_set, offset, seed):
    """Pébay's formulas hold for any number of parts, at large offsets too."""
    x = np.random.default_rng(seed).integers(-50, 50, (n_part, n_set, n)).astype(np.float64)
    got = merge_moments(reference(x + offset), n)
    whole = reference(np.swapaxes(x, 0, 1).reshape(n_set, -1))
    np.testing.assert_allclose(got.mean - offset, whole.mean, atol=1e-6)
    for name in ("m2", "m3", "m4"):
        np.testing.assert_allclose(getattr(got, name), getattr(whole, name), rtol=1e-6, atol=1.0)


def test_constants_have_no_spread_even_at_1e15():
    """Constant parts at 1e15 merge to exactly zero central sums."""
    zeros = np.zeros((10, 1))
    got = merge_moments(Moments(np.full((10, 1), 1e15), zeros, zeros, zeros), 2560)
    assert (got.mean, got.m2, got.m3, got.m4) == (1e15, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("n_part", [1, 2, 10, 300])
def test_a_sum_of_parts_has_the_same_bits_alone_and_among_others(n_part):
    """One column beside a hundred others is summed in the order in which it is summed alone."""
    parts = np.random.default_rng(4).standard_normal((n_part, 100))
    together = sum_parts(parts)
    for column in (0, 57):
        assert sum_parts(parts[:, column : column + 1]).tobytes() == together[column : column + 1].tobytes()
