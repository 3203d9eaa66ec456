"""A band of segments and overlap-add, against loops that say what they are, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.overlap import OverlapAdd, SegmentBand, even_n


def even_first(rows):
    """The rows in the order in which they are kept."""
    return np.concatenate([rows[0::2], rows[1::2]])


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("n_row", [1, 2, 3, 4, 9, 10])
def test_rows_are_added_up_half_over_each_other(n_row, kind):
    """As many even rows as odd ones, and one more; twice, as the rows are used up."""
    rng = np.random.default_rng(n_row)
    memory = np.empty((n_row, 6), dtype=kind)
    overlap = OverlapAdd(memory)
    for _ in range(2):
        rows = rng.standard_normal((n_row, 12)).view(kind)[:, :6]
        expected = np.zeros(3 * (n_row + 1), dtype=kind)
        for index, row in enumerate(rows):
            expected[3 * index : 3 * index + 6] += row
        memory[:] = even_first(rows)
        assert overlap.signal().tobytes() == expected.tobytes()


@pytest.mark.parametrize("odd_sign", [1.0, -1.0])
@pytest.mark.parametrize("n_segment", [1, 2, 5])
def test_a_band_is_taken_with_its_gain(n_segment, odd_sign):
    """Lines 3 to 6 of 10, each with a gain, odd segments with a sign, and zeros up to 8."""
    rng = np.random.default_rng(n_segment)
    gain = np.array([0.25, 1.0, 0.5, 3.0])
    band = SegmentBand(n_segment, 8, 3, gain, odd_sign)
    for _ in range(2):
        lines = rng.standard_normal((n_segment, 10)) + 1j * rng.standard_normal((n_segment, 10))
        expected = np.zeros((n_segment, 8), dtype=np.complex128)
        for index, segment in enumerate(lines):
            expected[index, :4] = segment[3:7] * (gain * odd_sign if index % 2 else gain)
        assert band.of(lines).tobytes() == even_first(expected).tobytes()


def test_even_rows():
    """0, 2, 4 of five, and of six."""
    assert [even_n(n) for n in (1, 2, 5, 6)] == [1, 1, 3, 3]
