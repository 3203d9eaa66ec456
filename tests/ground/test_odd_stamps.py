"""Stamps as recorders write them: too coarse, set back, begun again with each segment; the samples are sound."""

from __future__ import annotations

import numpy as np
import pytest

from ground.recordings import load_recording, stream_recording

RATE_HZ = 1024
SECOND_NS = 1_000_000_000


@pytest.fixture
def stamped(tiny_recordings):
    """The stretches of the tiny flight under other stamps, and segments: starts in ns from the first, and lengths."""

    def load(of, segment=None, **cells):
        columns = {"time_s": of} if segment is None else {"time_s": of, "segment": segment}
        tiny_recordings.change("flight", lambda frame: frame.assign(**{n: f(frame.index) for n, f in columns.items()}))
        tiny_recordings.restate("flight", **cells)
        folder, info = tiny_recordings.folder, tiny_recordings.info("flight")
        found = load_recording(folder, info, conditions=("n1_hz",)).stretches
        streamed = stream_recording(folder, info, conditions=("n1_hz",), piece_n=64).stretches
        assert sum(len(part.samples) for part in streamed) == sum(len(part.samples) for part in found)
        return [(part.start_ns - found[0].start_ns, len(part.samples)) for part in found]

    return load


def test_stamps_coarser_than_a_sample_are_counted(stamped):
    """Eight samples to a stamp: one stretch."""
    assert len(stamped(lambda row: row // 8 * 8 / RATE_HZ)) == 1


def test_float32_stamps_are_counted(stamped):
    """A day after time 0, float32 holds steps of 1/128 s."""
    assert len(stamped(lambda row: (86_400 + row / RATE_HZ).astype(np.float32))) == 1


def test_a_clock_that_is_set_back_begins_a_stretch(stamped):
    """The second begins where the first ended, for no time comes twice."""
    (_, first_n), (start_ns, _) = stamped(lambda row: row / RATE_HZ - 3.0 * (row >= 5 * RATE_HZ))
    assert (first_n, start_ns) == (5 * RATE_HZ, 5 * SECOND_NS)


def test_a_gap_after_a_set_clock_stays_one(stamped):
    """What comes later lies where its stamps say, once these have caught up."""
    late = stamped(lambda row: row / RATE_HZ - 1.0 * (row >= 5 * RATE_HZ) + 4.0 * (row >= 8 * RATE_HZ))
    assert [start_ns for start_ns, _ in late] == [0, 5 * SECOND_NS, 11 * SECOND_NS]


@pytest.mark.parametrize(("cells", "period_s"), [({"segment_period_s": "10"}, 10), ({}, 2)], ids=["stated", "unknown"])
def test_stamps_may_begin_again_with_each_segment(stamped, cells, period_s):
    """Then the segments say when: by their period, or a second apart."""
    found = stamped(lambda row: row % RATE_HZ / RATE_HZ, lambda row: row // RATE_HZ, **cells)
    assert [n for _, n in found] == [RATE_HZ] * len(found)
    assert [start_ns for start_ns, _ in found] == [index * period_s * SECOND_NS for index in range(len(found))]
