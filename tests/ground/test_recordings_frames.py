"""Frames of a recording: on a grid, cut at phases, and unmistakable at gaps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_agent.stream import WindowStream
from ground.errors import DataError
from ground.recordings import frames_of, load_recording

RATE_HZ = 1024
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def flight(tiny_recordings):
    """The tiny flight."""
    return load_recording(tiny_recordings.folder, tiny_recordings.info("flight"), conditions=("n1_hz",))


@pytest.fixture
def gapped(tiny_recordings):
    """The tiny flight with a gap of 50 ms, too short for a receiver to see in the time, after 5.5 s."""
    later = lambda frame: frame.assign(time_s=frame["time_s"] + 0.05 * (frame.index >= 5.5 * RATE_HZ))  # noqa: E731
    tiny_recordings.change("flight", later)
    return load_recording(tiny_recordings.folder, tiny_recordings.info("flight"), conditions=("n1_hz",))


def test_frames_hold_every_sample_once(flight):
    """Side by side, the frames are the recording."""
    frames = list(frames_of(flight, frame_s=0.3))
    joined = np.concatenate([frame.samples for frame in frames])
    assert joined.tobytes() == flight.stretches[0].samples.tobytes()


def test_frames_say_what_a_message_would(flight):
    """Identity, unit, rate, channels, speed, time and number are those of the recording."""
    first, second, *_ = frames_of(flight, frame_s=0.25)
    assert (first.aircraft, first.engine, first.flight, first.phase) == ("tiny", "e1", "flight", "taxi")
    assert (first.unit, first.rate_hz, first.channels) == ("g", 1024.0, ("acc_1",))
    assert first.speed_hz == {"n1": 20.0}
    assert (first.seq, first.t_ns) == (0, START_NS)
    assert (second.seq, second.t_ns) == (1, START_NS + 250_000_000)


def test_phase_change_cuts_a_frame(flight):
    """No frame holds two phases, and the grid goes on after the cut."""
    frames = list(frames_of(flight, frame_s=3.0))
    lengths = [len(frame.samples) / RATE_HZ for frame in frames]
    assert lengths == [3.0, 3.0, 2.0, 1.0, 3.0, 3.0, 3.0, 2.0]
    assert [frame.phase for frame in frames] == ["taxi"] * 3 + ["cruise"] * 5


def test_gap_takes_a_number(gapped):
    """Across a gap one sequence number is missing, so that it is seen however short it was."""
    frames = list(frames_of(gapped, frame_s=0.5))
    steps = np.diff([frame.seq for frame in frames])
    assert np.flatnonzero(steps == 2).tolist() == [10]
    assert set(steps.tolist()) == {1, 2}


def test_no_window_crosses_a_short_gap(gapped, tiny_config):
    """The agent's own stream begins afresh at the gap."""
    stream = WindowStream(tiny_config().feature_spec())
    windows = [window for frame in frames_of(gapped, frame_s=0.25) for window in stream.push(frame)]
    gap_ns = START_NS + 5_500_000_000
    assert not [window for window in windows if window.start_ns < gap_ns < window.end_ns]
    assert gap_ns + 50_000_000 in [window.start_ns for window in windows]


@pytest.mark.parametrize("frame_s", [1 / 16, 0.125, 0.25])
def test_frame_length_does_not_change_windows(flight, tiny_config, frame_s):
    """Frames that divide the record give the same windows to the bit, conditions included."""
    spec = tiny_config().feature_spec()
    reference, stream = WindowStream(spec), WindowStream(spec)
    expected = [window for frame in frames_of(flight, frame_s=0.25) for window in reference.push(frame)]
    found = [window for frame in frames_of(flight, frame_s=frame_s) for window in stream.push(frame)]
    assert [window.values.tobytes() for window in found] == [window.values.tobytes() for window in expected]
    assert len(found) == 39


def test_unknown_speed_is_left_out(flight):
    """A frame does not report a speed that nobody knows."""
    (stretch,) = flight.stretches
    conditions = np.full_like(stretch.conditions, np.nan)
    blind = dataclasses.replace(flight, stretches=(dataclasses.replace(stretch, conditions=conditions),))
    assert next(frames_of(blind, frame_s=1.0)).speed_hz == {}


def test_frames_name_the_unit_of_each_channel(flight):
    """A message has one unit for all channels, or where they differ one each."""
    info = dataclasses.replace(flight.info, channels=("a", "b"), signal_units=("g", "mm/s"))
    assert next(frames_of(dataclasses.replace(flight, info=info), frame_s=1.0)).unit == "g;mm/s"
    assert next(frames_of(flight, frame_s=1.0)).unit == "g"


def test_frames_need_a_sample(flight):
    """A frame shorter than a sample is refused before the first one."""
    with pytest.raises(DataError, match=r"frame_s: expected at least one sample at 1024\.0 Hz, got 0\.0001 s"):
        frames_of(flight, frame_s=0.0001)
