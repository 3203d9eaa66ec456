"""Channels of different units, odd names and slow clocks, from frame to window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.frame import Frame
from edge_agent.stream import WindowStream
from edge_agent.wire import decode_frame, encode_frame
from shared_features.spec import ChannelSpec, FeatureSpec, QualityLimits, SpectrumGroup

N = 60
NAMES = ("Volume Flow RateRMS", "X (g)")
SPEC = FeatureSpec(
    sampling_rate_hz=1.0,
    record_s=10.0,
    window_s=30.0,
    hop_s=10.0,
    channels=(ChannelSpec(NAMES[0], "l/min"), ChannelSpec(NAMES[1], "g")),
    spectrum=SpectrumGroup(0, 0, (), enabled=False),
    quality=QualityLimits(clip_ratio=1.0),
)
SAMPLES = np.random.default_rng(3).standard_normal((N, 2)).astype(np.float32)


def frame(n, **changes):
    """One sample a second."""
    fields = {
        "aircraft": "a", "engine": "e", "flight": "f", "phase": "steady", "t_ns": n * 1_000_000_000, "seq": n,
        "rate_hz": 1.0, "unit": "l/min;g", "channels": NAMES, "samples": SAMPLES[n : n + 1],
    }  # fmt: skip
    return Frame(**{**fields, **changes})


def windows_of(frames, spec=SPEC):
    """Windows, by way of the wire."""
    stream = WindowStream(spec)
    return [window for one in frames for window in stream.push(decode_frame(encode_frame(one)))]


def test_frames_state_a_unit_for_each_channel():
    """In the order of the frame, which may be another than the spec's and hold further channels."""
    expected = windows_of(map(frame, range(N)))
    assert len(expected) == 4
    assert all(window.reason == "" for window in expected)
    wider = {"channels": (NAMES[1], "further", NAMES[0]), "unit": "g;bar;l/min"}
    samples = np.column_stack([SAMPLES[:, 1], SAMPLES[:, 0], SAMPLES[:, 0]])
    found = windows_of(frame(n, **wider, samples=samples[n : n + 1]) for n in range(N))
    assert [window.values.tobytes() for window in found] == [window.values.tobytes() for window in expected]


@pytest.mark.parametrize(
    "unit", ["g", "l/min", "g;l/min", "l/min;g;g", "l/min;", ";", "unknown", "unknown;g", "l/min;unknown"]
)
def test_other_units_are_a_mismatch(unit):
    """One for all, swapped, too many, none, or such as may be any."""
    (window,) = windows_of([frame(0, unit=unit)])
    assert window.reason == "unit_mismatch"


@pytest.mark.parametrize("unit", ["l/min;g", "g", "unknown", "unknown;g", "bar;V", "furlong"])
def test_a_spec_that_knows_no_unit_contradicts_none(unit):
    """Whatever an engine states: the windows have the bits of those of a spec that knows them."""
    spec = replace(SPEC, channels=tuple(ChannelSpec(name, "unknown") for name in NAMES))
    expected, found = windows_of(map(frame, range(N))), windows_of((frame(n, unit=unit) for n in range(N)), spec)
    assert [window.reason for window in found] == [""] * 4
    assert [window.values.tobytes() for window in found] == [window.values.tobytes() for window in expected]


def test_no_window_holds_two_units():
    """A converter is changed in flight: what comes is as after a gap. The same units in other words are no change."""
    spec = replace(SPEC, channels=tuple(ChannelSpec(name, "unknown") for name in NAMES))
    found = windows_of((frame(n, unit="g" if n < 25 else "m/s2") for n in range(N)), spec)
    spans = [(window.reason, window.start_ns // 10**9, window.end_ns // 10**9) for window in found]
    assert spans == [("gap", 0, 25), ("", 25, 55)]
    same = [frame(n, unit="g" if n < 25 else "g;g") for n in range(N)]
    assert [window.reason for window in windows_of(same, spec)] == [""] * 4


@pytest.mark.parametrize(("unit", "reason"), [("bar;g", ""), ("bar;V", "unit_mismatch"), ("g;g;g", "unit_mismatch")])
def test_what_a_spec_knows_of_one_channel_counts(unit, reason):
    """And as many units as channels, where there is not one for all."""
    stream = WindowStream(replace(SPEC, channels=(ChannelSpec(NAMES[0], "unknown"), ChannelSpec(NAMES[1], "g"))))
    assert [window.reason for window in stream.push(frame(0, unit=unit))] == ([reason] if reason else [])


def test_one_unit_stands_for_all_channels():
    """A spec of one unit takes frames that state it once or for each."""
    spec = replace(SPEC, channels=(ChannelSpec("a", "g"), ChannelSpec("b", "g")))
    stream = WindowStream(spec)
    assert stream.push(frame(0, unit="g", channels=("a", "b"))) == []
    assert stream.push(frame(1, unit="g;g", channels=("a", "b"))) == []


def test_sixty_four_units_fit():
    """A frame may hold 64 channels."""
    channels = tuple(f"c{index}" for index in range(64))
    unit = ";".join(["unknown"] * 64)
    one = frame(0, channels=channels, unit=unit, samples=np.zeros((1, 64), dtype=np.float32))
    assert decode_frame(encode_frame(one)).units == ("unknown",) * 64


def test_a_logger_may_jitter_and_skip_a_second():
    """Of one sample a second: one skipped is no gap, two are."""
    skipping = [frame(n, t_ns=(n + (n > 20)) * 1_000_000_000 + 300_000_000 * (n % 2)) for n in range(N)]
    assert [window.reason for window in windows_of(skipping)] == [""] * 4
    torn = [frame(n, t_ns=(n + 2 * (n > 35)) * 1_000_000_000) for n in range(N)]
    assert "gap" in [window.reason for window in windows_of(torn)]
