"""Streaming equals batch, bit for bit, however the stream is cut; and what cannot be assessed says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_features.errors import SignalError
from shared_features.extract import StreamingExtractor, extract_windows
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

SPEC = FeatureSpec(
    sampling_rate_hz=1000.0,
    record_s=0.1,
    window_s=0.3,
    hop_s=0.2,
    channels=(ChannelSpec("a", "g"), ChannelSpec("b", "g")),
    conditions=("n1_hz",),
    spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
)
SAMPLES = np.random.default_rng(5).standard_normal((1730, 2)).astype(np.float32)
SPEED = np.array([81.5])
WHOLE = extract_windows(SPEC, SAMPLES, SPEED)


def bits(windows):
    """Everything of some windows, comparable to the bit."""
    return [(window.start_n, window.values.tobytes(), window.reason) for window in windows]


def test_windows_lie_where_the_spec_says():
    """17 whole records; windows of 3 records every 2: starts at 0, 200, 400 ... samples."""
    assert [window.start_n for window in WHOLE] == list(range(0, 1401, 200))
    assert all(window.reason == "" for window in WHOLE)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SAMPLES)), max_size=40))
def test_any_chunking_gives_the_same_bits(cuts):
    """Hypothesis cuts the stream at random places, empty chunks included."""
    extractor = StreamingExtractor(SPEC)
    found = [window for part in np.split(SAMPLES, sorted(cuts)) for window in extractor.push(part, SPEED)]
    assert bits(found) == bits(WHOLE)


def test_memory_layout_does_not_move_a_bit():
    """Fortran order, strides and read-only buffers (as they come off the wire) give the same bits."""
    strided = np.zeros((len(SAMPLES), 4), dtype=np.float32)
    strided[:, ::2] = SAMPLES
    frozen = np.frombuffer(SAMPLES.tobytes(), dtype="<f4").reshape(-1, 2)
    for samples in (np.asfortranarray(SAMPLES), strided[:, ::2], frozen):
        assert bits(extract_windows(SPEC, samples, SPEED)) == bits(WHOLE)


def test_a_window_does_not_depend_on_what_came_before():
    """A window computed alone has the bits it has in the stream."""
    for window in WHOLE:
        alone = extract_windows(SPEC, SAMPLES[window.start_n : window.start_n + SPEC.window_n], SPEED)
        assert alone[0].values.tobytes() == window.values.tobytes()


def test_reset_forgets():
    """After a gap the stream starts as new: no record and no window crosses it."""
    extractor = StreamingExtractor(SPEC)
    extractor.push(SAMPLES[:250], SPEED)
    extractor.reset()
    assert bits(extractor.push(SAMPLES, SPEED)) == bits(WHOLE)


@pytest.mark.parametrize(("n", "uncovered_n"), [(0, 0), (299, 299), (300, 0), (301, 1), (499, 199), (500, 0)])
def test_uncovered_samples_are_counted(n, uncovered_n):
    """What a gap would lose: samples that no window holds yet."""
    extractor = StreamingExtractor(SPEC)
    extractor.push(SAMPLES[:n], SPEED)
    assert extractor.uncovered_n == uncovered_n


def broken(change):
    """The first window of the samples after ``change`` has spoiled a copy of them."""
    samples = SAMPLES[:300].copy()
    change(samples)
    return extract_windows(SPEC, samples, SPEED)[0]


def set_nan(samples):
    """One missing sample."""
    samples[150, 1] = np.nan


def set_infinite(samples):
    """One overflow."""
    samples[150, 1] = np.inf


def set_flat(samples):
    """The sensor stands still for 20 samples of one record."""
    samples[150:170, 0] = 0.25


def set_clipped(samples):
    """The amplifier saturates."""
    np.clip(samples, -0.5, 0.5, out=samples)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(set_nan, "not_finite"), (set_infinite, "not_finite"), (set_flat, "flatline"), (set_clipped, "clipped")],
)
def test_what_cannot_be_assessed_says_why(change, reason):
    """A broken window has a reason and zeros, never NaN."""
    window = broken(change)
    assert window.reason == reason
    assert not window.values.any()


@pytest.mark.parametrize(("unit", "reason"), [("g", "flatline"), ("bar", "")])
def test_a_process_value_may_stand_still(unit, reason):
    """A pressure that does not move is one; an accelerometer that does not is broken."""
    spec = replace(SPEC, channels=(ChannelSpec("a", unit), ChannelSpec("b", unit)))
    assert extract_windows(spec, np.full((300, 2), 2.5, dtype=np.float32), SPEED)[0].reason == reason


def test_a_missing_condition_is_a_reason():
    """The model needs the speed: without it nothing is said."""
    window = extract_windows(SPEC, SAMPLES[:300], np.array([np.nan]))[0]
    assert window.reason == "condition_missing"


def test_one_sample_too_few_gives_no_window():
    """No padding, no half windows."""
    assert extract_windows(SPEC, SAMPLES[:299], SPEED) == []


@pytest.mark.parametrize(
    ("samples", "conditions", "text"),
    [
        (SAMPLES[:, :1], SPEED, r"expected shape \(n, 2\), got \(1730, 1\)"),
        (SAMPLES[:, 0], SPEED, r"expected shape \(n, 2\), got \(1730,\)"),
        (SAMPLES.astype(np.float64), SPEED, "expected single precision"),
        (SAMPLES, np.zeros(2), "speeds: expected 1 values"),
    ],
)
def test_shapes_are_checked(samples, conditions, text):
    """A wrong shape is an error of the caller, named."""
    with pytest.raises(SignalError, match=text):
        extract_windows(SPEC, samples, conditions)
