"""Lines of the record, rebuilt from those of its segments, against the transform of the whole record."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.record_lines import RecordLines
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup


def make_spec(record_s, segment_n):
    """Records at 2 kHz."""
    return FeatureSpec(
        sampling_rate_hz=2000.0,
        record_s=record_s,
        window_s=record_s,
        hop_s=record_s,
        channels=(ChannelSpec("acc", "g"),),
        spectrum=SpectrumGroup(segment_n, segment_n // 2, ()),
    )


def hann(n):
    """Periodic Hann taper."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)


def rebuilt(spec, band, x):
    """The lines that stand for the band, and where they begin."""
    n = spec.spectrum.segment_n
    segments = np.lib.stride_tricks.sliding_window_view(x, n)[:: n // 2]
    record_lines = RecordLines(spec, *band)
    return record_lines.of(np.fft.rfft(segments * hann(n))), record_lines.first


SPANS = ((1.0, 400), (0.5, 400), (0.2, 400), (0.45, 200))


@pytest.mark.parametrize("band", [(0.0, 300.0), (175.0, 300.0), (180.0, 300.0), (185.0, 260.0), (600.0, 1000.0)])
@pytest.mark.parametrize(("record_s", "segment_n"), SPANS)
def test_tones_have_the_lines_of_the_whole_record(record_s, segment_n, band):
    """Tones between the lines, everywhere in the band: within 2e-3 of a tone's line."""
    spec = make_spec(record_s, segment_n)
    time_s = np.arange(spec.record_n) / 2000.0
    for frequency_hz in np.linspace(band[0] + 21.3, min(band[1] - 3.0 / record_s, 970.0), 9):
        x = np.cos(2.0 * np.pi * frequency_hz * time_s + 1.0)
        whole = np.fft.rfft(x * hann(x.size)) * 4.0 / (np.sqrt(3.0) * x.size)
        found, first = rebuilt(spec, band, x)
        near = np.arange(round(frequency_hz * record_s) - 2, round(frequency_hz * record_s) + 3)
        np.testing.assert_allclose(found[near - first], whole[near], atol=2e-3)
        assert np.sum(np.abs(found[near - first]) ** 2) == pytest.approx(0.5, rel=5e-3)


@pytest.mark.parametrize("outside_hz", [100.0, 140.0, 350.0, 700.0])
def test_tones_outside_are_gone(outside_hz):
    """Beyond six lines of the segments (5 Hz) on either side nothing is left of a tone within the band."""
    spec = make_spec(1.0, 400)
    x = np.cos(2.0 * np.pi * outside_hz * np.arange(2000) / 2000.0)
    found, first = rebuilt(spec, (180.0, 300.0), x)
    assert np.abs(found[180 - first : 301 - first]).max() < 1e-4


def test_hardly_anything_is_found_above_nyquist():
    """A band may reach beyond, as an order's margin does: what noise at Nyquist leaves there is 30 dB down."""
    found, first = rebuilt(make_spec(1.0, 400), (800.0, 1100.0), np.random.default_rng(1).standard_normal(2000))
    assert found.size > 1100 - first
    assert np.abs(found[1020 - first :]).max() < 0.03 * np.abs(found).max()
