"""The overlap-added baseband against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal

from shared_features.baseband import Baseband, transform_n
from shared_features.segments import hann
from shared_features.spec import SpectrumGroup


def lines_of(spec, x):
    """Unscaled lines of the Hann-tapered segments of one record, (n_segment, n_line)."""
    n = spec.spectrum.segment_n
    segments = sliding_window_view(np.asarray(x, dtype=np.float64), n)[:: n // 2]
    return np.fft.rfft(segments * hann(n), axis=1)


@pytest.fixture
def spec(make_spec):
    """20 kHz, half a second, 19 segments of 1000 samples: 20 Hz a line."""
    return make_spec(
        sampling_rate_hz=20_000.0, record_s=0.5, window_s=1.0, hop_s=0.5, spectrum=SpectrumGroup(1000, 500, ())
    )


@pytest.mark.parametrize(
    ("rate_hz", "record_s", "segment_n"),
    [(25_600.0, 1.0, 5120), (25_600.0, 0.1, 512), (20_000.0, 0.5, 2000), (2000.0, 1.0, 2000), (2000.0, 0.3, 200)],
)
@pytest.mark.parametrize("oversampling", [1, 2, 3])
def test_tone_is_a_rotating_arrow_times_the_fade(make_spec, rate_hz, record_s, segment_n, oversampling):
    """A sin(2 pi f t) becomes -iA exp(2 pi i (f - first) t), times the added tapers: for 1, 4, 9 and 9 segments."""
    spec = make_spec(
        sampling_rate_hz=rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s,
        spectrum=SpectrumGroup(segment_n, segment_n // 2, ()),
    )  # fmt: skip
    for first in (7, 8):
        band = Baseband(spec, (first * spec.line_hz, (first + 30) * spec.line_hz), oversampling=oversampling)
        tone_hz = (first + 15) * spec.line_hz
        t = np.arange(spec.record_n) / rate_hz
        z = band.signal(lines_of(spec, 3.0 * np.sin(2 * np.pi * tone_hz * t)))
        at = np.arange(band.n) / band.rate_hz
        expected = -3j * np.exp(2j * np.pi * (tone_hz - band.first_hz) * at) * band.fade
        assert band.n == round(band.rate_hz * record_s)
        np.testing.assert_allclose(z, expected, atol=1e-11)


def test_tone_between_two_lines_keeps_its_envelope(spec):
    """Off the lines the band cuts the taper's side lobes: 2e-4 of the amplitude, 20 lines from the band's end."""
    t = np.arange(spec.record_n) / 20_000.0
    band = Baseband(spec, (2000.0, 2800.0), oversampling=2)
    z = band.signal(lines_of(spec, np.sin(2 * np.pi * 2407.3 * t)))
    np.testing.assert_allclose(np.abs(z), band.fade, atol=2e-4)


def test_agrees_with_the_analytic_signal_of_scipy(spec):
    """Noise, band-passed over the whole record and put through scipy's hilbert: 2e-4 of its RMS."""
    low, high, edge_hz = 2000.0, 6000.0, 500.0
    x = np.random.default_rng(3).standard_normal(spec.record_n)
    band = Baseband(spec, (low, high), oversampling=2, edge=edge_hz / (high - low))
    faded = x * _fade_at_full_rate(spec)
    spectrum = np.fft.rfft(faded)
    frequency = np.fft.rfftfreq(spec.record_n, 1 / 20_000.0)
    distance = np.minimum(frequency - low, high - 20.0 - frequency) / edge_hz
    spectrum *= 0.5 - 0.5 * np.cos(np.pi * np.clip(distance + 10.0 / edge_hz, 0.0, 1.0))
    expected = np.abs(signal.hilbert(np.fft.irfft(spectrum, spec.record_n)))
    found = np.abs(signal.resample(band.signal(lines_of(spec, x)), spec.record_n))
    assert np.sqrt(np.mean((found - expected) ** 2)) < 2e-4 * np.sqrt(np.mean(expected**2))


def test_soft_ends_keep_a_cut_tone_from_beating_with_the_segments(spec):
    """A tone on the band's end: the envelope wobbles with the hop of the segments, less where gain rises slowly."""
    t = np.arange(spec.record_n) / 20_000.0
    lines = lines_of(spec, np.sin(2 * np.pi * 2009.0 * t))
    hard = np.abs(Baseband(spec, (2000.0, 6000.0), oversampling=2).signal(lines))
    soft = np.abs(Baseband(spec, (1000.0, 6000.0), oversampling=2, edge=0.4).signal(lines))
    inside = slice(hard.size // 10, -hard.size // 10)
    assert np.std(hard[inside]) / np.mean(hard[inside]) > 0.02
    inside = slice(soft.size // 10, -soft.size // 10)
    assert np.std(soft[inside]) / np.mean(soft[inside]) < 0.002


def test_band_is_half_open(spec):
    """The line on the lower end counts, the one on the upper end does not; borders between lines take the next line."""
    assert Baseband(spec, (2000.0, 2400.0)).width_hz == 400.0
    assert Baseband(spec, (1990.0, 2400.0)).first_hz == 2000.0
    # 3 * 0.1 is not 0.3: rounding of decimal borders must not drop a line.
    assert Baseband(spec, (20.0 * (3 * 0.1) * 100 / 30, 2400.0)).first_hz == 20.0


@pytest.mark.parametrize(("n", "expected"), [(1, 2), (2, 2), (7, 8), (11, 12), (799, 800), (802, 810), (4098, 4320)])
def test_transform_length_is_even_and_smooth(n, expected):
    """Even, not below, only 2, 3 and 5."""
    assert transform_n(n) == expected


def _fade_at_full_rate(spec):
    half = spec.spectrum.segment_n // 2
    fade = np.ones(spec.record_n)
    fade[:half] = hann(2 * half)[:half]
    fade[-half:] = hann(2 * half)[half:]
    return fade
