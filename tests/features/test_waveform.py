"""Statistics of a record against two-pass formulas, at awkward lengths and offsets."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.spec import SpectrumGroup
from shared_features.waveform import SILENT, WaveformMaker, block_length

NO_SPECTRUM = SpectrumGroup(0, 0, (), enabled=False)


def maker(make_spec, n):
    """A maker of records of ``n`` samples."""
    seconds = n / 2000.0
    return WaveformMaker(make_spec(record_s=seconds, window_s=seconds, hop_s=seconds, spectrum=NO_SPECTRUM))


def measure(made, samples):
    """The statistics of some float32 samples."""
    assert made.load(np.asarray(samples, dtype=np.float32))
    return made.measure()


@pytest.mark.parametrize("n", [1, 2, 7, 255, 256, 257, 2047, 2049, 4096, 4097, 8191, 25600])
def test_statistics_agree_with_two_passes(make_spec, n):
    """Lengths below, at and above the block length, primes among them."""
    x = np.random.default_rng(n).exponential(size=n).astype(np.float32)
    got = measure(maker(make_spec, n), x)
    d = x.astype(np.float64) - x.astype(np.float64).mean()
    expected = (d**2).sum(), (d**3).sum(), (d**4).sum(), np.abs(d).sum(), np.sqrt(np.abs(d)).sum()
    assert got[1:6] == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert got.mean == pytest.approx(x.astype(np.float64).mean(), rel=1e-14)
    assert (got.low, got.high) == (x.min(), x.max())
    assert got.crossings == np.count_nonzero(np.diff(np.signbit(d)))


@pytest.mark.parametrize("level", [0.0, 1.0, -3.5, 1e15, 3e38])
def test_a_constant_has_no_spread(make_spec, level):
    """A constant record has exactly zero central sums, whatever its level."""
    got = measure(maker(make_spec, 5000), np.full(5000, level))
    assert got == SILENT._replace(mean=np.float32(level), low=np.float32(level), high=np.float32(level))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17, 4999])
def test_one_missing_sample_is_seen(make_spec, bad, place):
    """A value that is not finite, at any place, and two infinities that would cancel."""
    samples = np.ones(5000, dtype=np.float32)
    samples[place] = bad
    samples[100] = -bad
    assert not maker(make_spec, 5000).load(samples)


def test_a_record_does_not_see_the_one_before(make_spec):
    """Scratch memory is overwritten whole: the same samples give the same bits after any others."""
    made = maker(make_spec, 3000)
    x, other = np.random.default_rng(1).standard_normal((2, 3000))
    first = measure(made, x)
    measure(made, 1e6 * other)
    made.load(np.full(3000, np.nan, dtype=np.float32))
    assert measure(made, x) == first


@pytest.mark.parametrize(
    ("n", "block_n"), [(25600, 3200), (10240, 2560), (2560, 2560), (20000, 4000), (100, 100), (8191, 2048)]
)
def test_blocks_fill_the_record(n, block_n):
    """The longest divisor up to 4096; a prime length gets rows of 2048 and a rest."""
    assert block_length(n) == block_n
