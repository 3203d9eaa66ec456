"""Source clocks that are wrong: windows stay in order of source time and sequence, and nothing is lost but the jump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_agent.frame import NS_PER_S, Frame
from edge_agent.stream import STRANGE_FRAMES_UNTIL_RESTART, WindowStream
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

SPEC = FeatureSpec(
    sampling_rate_hz=1000.0,
    record_s=0.1,
    window_s=0.3,
    hop_s=0.1,
    channels=(ChannelSpec("a", "g"),),
    spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
)
NOW_NS = 1_780_000_000 * NS_PER_S
TENTH_NS = NS_PER_S // 10
HOUR_NS = 3_600 * NS_PER_S
BOOT_NS = 12 * NS_PER_S
"""A box without a battery, twelve seconds after it was switched on: 1970."""


def frames(n: int, *, t_ns: int, seq: int = 0, seed: int = 0) -> list[Frame]:
    """Frames of a tenth of a second."""
    samples = np.random.default_rng(seed).standard_normal((100 * n, 1)).astype(np.float32)
    return [
        Frame(
            aircraft="a1", engine="e1", flight="f1", phase="cruise", t_ns=t_ns + index * TENTH_NS, seq=seq + index,
            rate_hz=1000.0, unit="g", channels=("a",), samples=samples[100 * index : 100 * index + 100],
        )
        for index in range(n)
    ]  # fmt: skip


def push(stream: WindowStream, heard: list[Frame]) -> list[Any]:
    """All windows of some frames."""
    return [window for frame in heard for window in stream.push(frame)]


JUMPS = [
    ("from 1970 to now", BOOT_NS, NOW_NS),
    ("from now to 1970", NOW_NS, BOOT_NS),
    ("an hour back", NOW_NS, NOW_NS - HOUR_NS),
    ("an hour forth", NOW_NS, NOW_NS + HOUR_NS),
    ("a leap second that is repeated", NOW_NS, NOW_NS + 5 * NS_PER_S - NS_PER_S),
    ("a leap second that is left out", NOW_NS, NOW_NS + 5 * NS_PER_S + NS_PER_S),
]


@pytest.mark.parametrize(("first_ns", "then_ns"), [row[1:] for row in JUMPS], ids=[row[0] for row in JUMPS])
def test_jump_within_a_flight(first_ns: int, then_ns: int) -> None:
    """The source counts on while its clock jumps: every window is there, with its samples' values."""
    stream = WindowStream(SPEC)
    before, after = frames(50, t_ns=first_ns), frames(50, t_ns=then_ns, seq=50, seed=1)
    windows = push(stream, [*before, *after])
    whole = [window for window in windows if not window.reason]
    assert [window.reason for window in windows if window.reason] == []
    assert stream.late_frames == 0
    assert len(whole) == 48 + 48
    assert [window.end_ns - window.start_ns for window in windows] == [3 * TENTH_NS] * len(windows)
    assert [window.start_ns for window in whole[:48]] == [first_ns + index * TENTH_NS for index in range(48)]
    assert [window.start_ns for window in whole[48:]] == [then_ns + index * TENTH_NS for index in range(48)]
    alone = push(WindowStream(SPEC), after)
    assert [window.values.tobytes() for window in whole[48:]] == [window.values.tobytes() for window in alone]


@pytest.mark.parametrize(("first_ns", "then_ns"), [row[1:] for row in JUMPS[:4]], ids=[row[0] for row in JUMPS[:4]])
def test_jump_within_a_window_is_a_gap(first_ns: int, then_ns: int) -> None:
    """What no window had covered when the clock jumped is answered, with a span as long as its samples."""
    windows = push(WindowStream(SPEC), [*frames(2, t_ns=first_ns), *frames(5, t_ns=then_ns, seq=2)])
    assert [(window.reason, window.end_ns - window.start_ns) for window in windows] == [
        ("gap", 2 * TENTH_NS), ("", 3 * TENTH_NS), ("", 3 * TENTH_NS), ("", 3 * TENTH_NS),
    ]  # fmt: skip
    assert (windows[0].start_ns, windows[1].start_ns) == (first_ns, then_ns)


RESTARTS = [
    ("into 1970", BOOT_NS, 2),
    ("before the flight", NOW_NS - HOUR_NS, 2),
    ("within the flight", NOW_NS + 30 * NS_PER_S, STRANGE_FRAMES_UNTIL_RESTART - 1),
]


@pytest.mark.parametrize(("then_ns", "lost_n"), [row[1:] for row in RESTARTS], ids=[row[0] for row in RESTARTS])
def test_restarted_source_with_an_older_clock(then_ns: int, lost_n: int) -> None:
    """Sequence and clock begin anew in one flight: after a few frames it is followed."""
    stream = WindowStream(SPEC)
    push(stream, frames(600, t_ns=NOW_NS))
    windows = push(stream, frames(100, t_ns=then_ns, seed=1))
    assert stream.late_frames == lost_n
    assert len(windows) == 100 - lost_n - 2
    assert windows[0].start_ns == then_ns + lost_n * TENTH_NS
    assert {window.reason for window in windows} == {""}


def test_redelivered_minutes_do_not_restart() -> None:
    """A broker that sends minutes again is not taken for a restarted source, nor are some stragglers."""
    stream = WindowStream(SPEC)
    heard = frames(600, t_ns=NOW_NS)
    expected = [window.values.tobytes() for window in push(WindowStream(SPEC), heard)]
    windows = push(stream, heard[:500]) + push(stream, heard[:500]) + push(stream, heard[500:])
    assert [window.values.tobytes() for window in windows] == expected
    assert stream.late_frames == 500


def test_stragglers_are_dropped() -> None:
    """Frames that come after their successors are few: they do not turn the clock back."""
    stream = WindowStream(SPEC)
    heard = frames(100, t_ns=NOW_NS)
    late = heard[40 : 40 + STRANGE_FRAMES_UNTIL_RESTART - 1]
    windows = push(stream, [*heard[:40], *heard[40 + len(late) : 70], *late, *heard[70:]])
    assert stream.late_frames == len(late)
    starts = [window.start_ns for window in windows]
    assert starts == sorted(starts)


def test_sequence_that_stands_still() -> None:
    """The number of a frame that was heard never comes twice, whatever its time: the second is dropped and counted."""
    stream = WindowStream(SPEC)
    heard = frames(10, t_ns=NOW_NS)
    push(stream, [*heard, replace(heard[-1], t_ns=heard[-1].t_ns + HOUR_NS)])
    assert stream.late_frames == 1


def test_windows_are_in_order_whatever_the_clock_does() -> None:
    """Between any jumps, windows follow each other in source time as in sequence."""
    rng = np.random.default_rng(20261128)
    stream, windows = WindowStream(SPEC), []
    stamps_ns = [BOOT_NS, *rng.integers(2**61, size=29).tolist()]
    for index, t_ns in enumerate(stamps_ns):
        windows += push(stream, frames(10, t_ns=t_ns, seq=10 * index, seed=index))
    assert stream.late_frames == 0
    assert [window.start_ns for window in windows] == [
        t_ns + index * TENTH_NS for t_ns in stamps_ns for index in range(8)
    ]
