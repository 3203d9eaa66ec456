"""Spectra against a closed form, the choice of healthy windows, and comparisons with healthy ranges."""

from __future__ import annotations

import numpy as np
import pytest

from ground.recording import PhaseRun, Recording, Stretch
from ground.recording_index import RecordingInfo
from ground.report.alert_causes import compared
from ground.report.library import FeatureRange
from ground.report.spectra import Span, SpectrumReader, healthy_band, spread_choice

START_NS = 10**18
AMPLITUDE = 2.0


@pytest.fixture
def sine(report_spec):
    """Three seconds of a sine on a spectral line, in one stretch."""
    rate_hz = report_spec.sampling_rate_hz
    line_hz = rate_hz / report_spec.spectrum.segment_n
    t_s = np.arange(int(3 * rate_hz)) / rate_hz
    samples = (AMPLITUDE * np.sin(2.0 * np.pi * 5.0 * line_hz * t_s)).astype(np.float32)[:, np.newaxis]
    info = RecordingInfo(
        recording_id="r", file="r.parquet", dataset="", unit_id="u", aircraft="a", engine="u", flight="r",
        start_ns=START_NS, sampling_rate_hz=rate_hz, channels=("acc_1",), signal_units=("g",), label="healthy",
        fault_type="", severity="", condition="", segment_period_s=0.0, healthy_segments=(), faulty_segments=(),
        speed_hz={}, n_samples=0, data_sha256="",
    )  # fmt: skip
    stretch = Stretch(
        start_ns=START_NS, samples=samples, conditions=np.zeros((len(samples), 0)), phases=(PhaseRun(0, "steady"),),
        labels=np.zeros(len(samples), dtype=np.int8),
    )  # fmt: skip
    return Recording(info, (), (stretch,))


def test_sine_on_a_line_has_the_density_of_the_textbook(report_spec, sine):
    """Welch with a Hann taper: A²/2 over its equivalent noise bandwidth of 1.5 lines, at the sine's frequency."""
    reader = SpectrumReader(report_spec, "acc_1")
    line_hz = report_spec.sampling_rate_hz / report_spec.spectrum.segment_n
    density = reader.density(sine, START_NS + 10**9)
    peak = int(np.argmax(density))
    assert reader.frequency_hz[peak] == pytest.approx(5.0 * line_hz)
    assert density[peak] == pytest.approx(AMPLITUDE**2 / 2.0 / (1.5 * line_hz), rel=1e-6)


@pytest.mark.parametrize("offset_s", [-1.0, 2.5, 100.0])
def test_window_that_the_recording_does_not_hold_gives_nothing(report_spec, sine, offset_s):
    """Before its start, across its end, or long after: no density, no crash."""
    assert len(SpectrumReader(report_spec, "acc_1").density(sine, START_NS + int(offset_s * 1e9))) == 0


def test_healthy_band_holds_ninety_per_cent():
    """Quantiles line by line over a known set: 0 to 100 gives 5, 50 and 95."""
    band = healthy_band([np.array([float(value), 2.0 * value]) for value in range(101)])
    assert band.low.tolist() == [5.0, 10.0]
    assert band.median.tolist() == [50.0, 100.0]
    assert band.high.tolist() == [95.0, 190.0]
    assert band.n_windows == 101


def test_choice_of_healthy_windows_spreads_over_recordings():
    """Many windows of one recording resemble each other: few of each, of as many as allowed, ends included."""
    spans = [Span(f"r{number:02d}", start) for number in range(50) for start in range(100)]
    chosen = spread_choice(spans, recordings=10, windows_each=3)
    assert len(chosen) == 30
    assert len({span.recording_id for span in chosen}) == 10
    assert {span.start_ns for span in chosen} == {0, 50, 99}
    assert {"r00", "r49"} <= {span.recording_id for span in chosen}
    assert spread_choice([], recordings=3, windows_each=3) == ()


@pytest.mark.parametrize(
    ("value", "is_log", "text"),
    [
        (1.5, True, "usual by itself"),
        (8.0, True, "above, by a factor of 4.00"),
        (0.5, True, "below, by a factor of 2.00"),
        (8.0, False, "above"),
        (-3.0, False, "below"),
        (0.0, True, "below"),
        (float("nan"), True, "not known"),
    ],
)
def test_value_is_compared_with_its_healthy_range(value, is_log, text):
    """Against 1 to 2; factors only for magnitudes, and never of zero."""
    assert compared(FeatureRange(value, 1.0, 2.0), is_log=is_log) == text
