"""Spectral features against closed forms and scipy.signal.welch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from shared_features.segments import density_of
from shared_features.spec import ChannelSpec, SpectrumGroup

T = np.arange(4000) / 2000.0


def noise(n=4000, seed=11):
    """White Gaussian noise of unit variance."""
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize(("segment_n", "overlap_n"), [(400, 200), (2000, 0), (500, 250), (125, 0)])
def test_density_agrees_with_scipy(make_spec, segment_n, overlap_n):
    """One record's density is scipy's Welch estimate, for even and odd segments, to 1e-12."""
    spec = make_spec(spectrum=SpectrumGroup(segment_n, overlap_n, ()))
    samples = noise(2000)
    _, expected = signal.welch(
        samples.astype(np.float64), 2000.0, window="hann", nperseg=segment_n, noverlap=overlap_n, detrend="constant"
    )
    np.testing.assert_allclose(density_of(spec, samples), expected, rtol=1e-12, atol=1e-18)


def test_sine_power_lies_in_its_band(make_spec, values_of):
    """A sine of amplitude 2 at 50 Hz has the mean square 2, all in the band that holds it (Hann: three lines)."""
    values = values_of(make_spec(), 2.0 * np.sin(2 * np.pi * 50.0 * T))
    assert values["band_10_100_hz"] == pytest.approx(2.0, rel=1e-6)
    assert values["band_100_900_hz"] == pytest.approx(0.0, abs=1e-9)
    assert values["centroid"] == pytest.approx(50.0, rel=1e-6)
    # The Hann taper spreads a line over its neighbours as 1/6, 2/3, 1/6: a standard deviation of sqrt(1/3) lines.
    assert values["spread"] == pytest.approx(5.0 / np.sqrt(3.0), rel=1e-5)


def test_bands_are_half_open_and_add_up(make_spec, values_of):
    """A line on the border of two bands counts once, in the upper one."""
    values = values_of(make_spec(), np.sin(2 * np.pi * 100.0 * T))
    assert values["band_10_100_hz"] == pytest.approx(0.5 / 6, rel=1e-4)
    assert values["band_10_100_hz"] + values["band_100_900_hz"] == pytest.approx(0.5, rel=1e-6)


def test_white_noise_is_flat_and_its_moments_are_those_of_a_uniform(make_spec, values_of):
    """Unit white noise: a density of 1/1000 up to 1000 Hz, so bands, centroid, spread and rolloff follow."""
    spec = make_spec(window_s=20.0)
    values = values_of(spec, noise(40000))
    assert values["band_100_900_hz"] == pytest.approx(0.8, rel=0.05)
    assert values["centroid"] == pytest.approx(500.0, rel=0.05)
    assert values["spread"] == pytest.approx(1000.0 / np.sqrt(12.0), rel=0.05)
    assert values["rolloff"] == pytest.approx(850.0, rel=0.05)
    assert values["flatness"] == pytest.approx(1.0, abs=0.05)
    assert values["entropy"] == pytest.approx(1.0, abs=0.01)


def test_rolloff_moves_smoothly(make_spec, values_of):
    """A hair of power moves the rolloff by a hair, never by a whole line."""
    tones = np.sin(2 * np.pi * 100.0 * T), np.sin(2 * np.pi * 600.0 * T)
    found = [values_of(make_spec(), tones[0] + (0.4 + step * 1e-4) * tones[1])["rolloff"] for step in range(5)]
    assert np.abs(np.diff(found)).max() < 0.05


def test_a_constant_process_value_has_an_empty_spectrum(make_spec, values_of):
    """A pressure may stand still: every spectral feature is then zero, and none is a leftover of log(0)."""
    values = values_of(make_spec(channels=(ChannelSpec("p", "bar"),)), np.full(4000, 2.5))
    names = ("band_10_100_hz", "band_100_900_hz", "centroid", "spread", "rolloff", "flatness", "entropy")
    assert [values[name] for name in names] == [0.0] * len(names)
    assert (values["mean"], values["std"], values["kurtosis"]) == (2.5, 0.0, 0.0)


def test_spectrum_can_be_switched_off(make_spec, values_of):
    """Without the group its features are gone and the time domain stays."""
    values = values_of(make_spec(spectrum=SpectrumGroup(0, 0, (), enabled=False)), noise())
    assert "centroid" not in values
    assert values["std"] == pytest.approx(1.0, rel=0.1)
