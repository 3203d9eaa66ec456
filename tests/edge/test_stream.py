"""From frames to windows: order, gaps, phases, and frames that do not fit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.frame import Frame
from edge_agent.stream import WindowStream
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

SPEC = FeatureSpec(
    sampling_rate_hz=1000.0,
    record_s=0.1,
    window_s=0.3,
    hop_s=0.1,
    channels=(ChannelSpec("a", "g"), ChannelSpec("b", "g")),
    conditions=("n1_hz",),
    spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
)
SAMPLES = np.random.default_rng(5).standard_normal((2000, 2)).astype(np.float32)
START_NS = 1_700_000_000_000_000_000


def frame(first_n, last_n, **changes):
    """The frame of the samples ``first_n`` to ``last_n``, 100 samples a sequence number."""
    fields = {
        "aircraft": "a1", "engine": "e1", "flight": "f1", "phase": "cruise",
        "t_ns": START_NS + first_n * 1_000_000, "seq": first_n // 100, "rate_hz": 1000.0, "unit": "g",
        "channels": ("a", "b"), "samples": SAMPLES[first_n:last_n], "speed_hz": {"n1": 80.0},
    }  # fmt: skip
    return Frame(**{**fields, **changes})


def push_all(frames):
    """All windows of some frames."""
    stream = WindowStream(SPEC)
    return [window for item in frames for window in stream.push(item)]


def key(windows):
    """Windows, comparable to the bit."""
    return [(w.flight, w.phase, w.start_ns, w.end_ns, w.values.tobytes(), w.reason) for w in windows]


WHOLE = push_all([frame(n, n + 100) for n in range(0, 2000, 100)])


def test_windows_carry_source_times():
    """A window begins and ends at the source time of its samples."""
    assert [(w.start_ns - START_NS) // 1_000_000 for w in WHOLE] == list(range(0, 1701, 100))
    assert all(w.end_ns - w.start_ns == 300_000_000 for w in WHOLE)
    assert {w.reason for w in WHOLE} == {""}


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 1999), max_size=30, unique=True))
def test_any_framing_gives_the_same_windows(cuts):
    """Frames of any lengths over the same samples give the same windows to the bit."""
    edges = [0, *sorted(cuts), 2000]
    frames = [frame(low, high, seq=index) for index, (low, high) in enumerate(itertools.pairwise(edges))]
    assert key(push_all(frames)) == key(WHOLE)


def test_extra_channels_are_left_out_and_order_does_not_matter():
    """A sender may have more channels than the detector listens to, in another order."""
    wide = np.column_stack([SAMPLES[:, 1], np.zeros(2000, dtype=np.float32), SAMPLES[:, 0]])
    assert key(push_all([frame(0, 2000, channels=("b", "x", "a"), samples=wide)])) == key(WHOLE)


def test_a_lost_frame_is_a_gap_that_is_reported():
    """Samples that no window covered come out as not assessed; then everything starts afresh."""
    frames = [frame(0, 100), frame(100, 200), frame(300, 400), *[frame(n, n + 100) for n in range(400, 700, 100)]]
    windows = push_all(frames)
    assert [(w.reason, (w.start_ns - START_NS) // 1_000_000) for w in windows] == [("gap", 0), ("", 300), ("", 400)]
    assert windows[0].end_ns - START_NS == 200_000_000


def test_a_gap_after_covered_samples_loses_nothing():
    """Snapshot rigs have a gap after each snapshot: nothing to report where a window covered it all."""
    windows = push_all([frame(0, 300, seq=0), frame(300, 600, seq=1, t_ns=START_NS + 10_000_000_000)])
    assert [w.reason for w in windows] == ["", ""]


def test_a_jump_of_the_clock_is_a_gap():
    """The stamp leaves the sequence by more than jitter: the span between is unknown."""
    windows = push_all([frame(0, 200, seq=0), frame(200, 500, seq=1, t_ns=START_NS + 60_000_000_000)])
    assert [w.reason for w in windows] == ["gap", ""]
    assert windows[1].start_ns == START_NS + 60_000_000_000


def test_jitter_of_the_stamps_is_no_gap():
    """Stamps jitter by milliseconds; windows keep the time of the first sample after the last gap."""
    frames = [
        frame(n, n + 100, t_ns=START_NS + n * 1_000_000 + (n // 100 % 3) * 4_000_000) for n in range(0, 2000, 100)
    ]
    assert key(push_all(frames)) == key(WHOLE)


def test_duplicates_are_dropped_and_counted():
    """A redelivered message (QoS 1) changes nothing."""
    stream = WindowStream(SPEC)
    frames = [frame(n, n + 100) for n in range(0, 2000, 100)]
    windows = [window for item in frames for copy in (item, item) for window in stream.push(copy)]
    assert key(windows) == key(WHOLE)
    assert stream.late_frames == len(frames)


def test_a_redelivered_stretch_is_dropped_whole():
    """A broker that missed our acknowledgements sends many frames again: none of them is assessed twice."""
    frames = [frame(n, n + 100) for n in range(0, 2000, 100)]
    stream = WindowStream(SPEC)
    windows = [window for item in [*frames[:12], *frames[2:12], *frames[12:]] for window in stream.push(item)]
    assert key(windows) == key(WHOLE)
    assert stream.late_frames == 10


def test_a_restarted_source_is_followed():
    """Three frames from the past in a row are no stragglers: the source restarted with an older clock."""
    past = [frame(n, n + 100, t_ns=n * 1_000_000) for n in range(0, 1000, 100)]
    windows = push_all([frame(n, n + 100, seq=50 + n // 100) for n in range(0, 500, 100)] + past)
    assert windows[-1].end_ns == 1_000_000_000


def test_another_flight_starts_afresh():
    """No window holds samples of two flights, and the rest of a flight shorter than a window is no gap."""
    windows = push_all([frame(0, 200), frame(200, 600, flight="f2", seq=0)])
    assert [(w.flight, w.reason) for w in windows] == [("f2", ""), ("f2", "")]


def test_windows_over_two_phases_are_not_assessed():
    """Thresholds belong to phases: a window that holds two has none."""
    windows = push_all([frame(0, 400, seq=0), frame(400, 1000, seq=1, phase="descent")])
    assert [(w.phase, w.reason) for w in windows[:5]] == [
        ("cruise", ""), ("cruise", ""), ("descent", "phase_change"), ("descent", "phase_change"), ("descent", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"channels": ("a", "c")}, "channel_mismatch"),
        ({"rate_hz": 999.0}, "rate_mismatch"),
        ({"unit": "m/s2"}, "unit_mismatch"),
    ],
)
def test_frames_that_do_not_fit_are_answered(changes, reason):
    """A wrong sensor setting is said in an answer, never guessed away."""
    (window,) = push_all([replace(frame(0, 500), **changes)])
    assert (window.reason, window.start_ns) == (reason, START_NS)
    assert window.end_ns == START_NS + round(500 / changes.get("rate_hz", 1000.0) * 1e9)


def test_an_unreported_speed_is_a_reason():
    """The spec asks for n1_hz: a frame without it cannot be assessed."""
    assert {w.reason for w in push_all([frame(0, 500, speed_hz={})])} == {"condition_missing"}
