"""Transients: conditions that change faster than the detector has seen are said, not scored."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.stream import GAP, PHASE_CHANGE
from edge_agent.transients import STEADY, TRANSIENT, Steadiness, TransientWatch

HOP_NS = 10**9
LIMITS = Steadiness(hop_ns=HOP_NS, limits={"n1_hz": 1.0, "n2_hz": 2.0})


def said(windows, steadiness=LIMITS):
    """What is said of windows, each (flight, hop, reason, n1, n2)."""
    watch = TransientWatch(steadiness)
    return [
        watch.reason_of(flight, hop * HOP_NS, reason, np.array([7.0, n1, n2], dtype=np.float32))
        for flight, hop, reason, n1, n2 in windows
    ]


ROWS = [
    ("steady", [("f", 0, "", 50, 90), ("f", 1, "", 50, 90)], STEADY),
    ("on the limits", [("f", 0, "", 50, 90), ("f", 1, "", 51, 92)], STEADY),
    ("the first too fast", [("f", 0, "", 50, 90), ("f", 1, "", 51.01, 90)], TRANSIENT),
    ("the second too fast, down", [("f", 0, "", 50, 90), ("f", 1, "", 50, 87.9)], TRANSIENT),
    ("another flight", [("f", 0, "", 50, 90), ("g", 1, "", 80, 90)], STEADY),
    ("a window is missing", [("f", 0, "", 50, 90), ("f", 2, "", 80, 90)], STEADY),
    ("the clock went back", [("f", 5, "", 50, 90), ("f", 1, "", 80, 90)], STEADY),
    ("after a window without features", [("f", 0, GAP, 0, 0), ("f", 1, "", 80, 90)], STEADY),
    ("after a change of phase", [("f", 0, PHASE_CHANGE, 50, 90), ("f", 1, "", 80, 90)], TRANSIENT),
    ("a stamp that jitters", [("f", 0, "", 50, 90), ("f", 1.2, "", 80, 90)], TRANSIENT),
]


@pytest.mark.parametrize(("windows", "last"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_windows(windows, last):
    """Each is held against the one before it, of the same flight, a hop earlier."""
    windows = [(flight, int(10 * hop) / 10, reason, n1, n2) for flight, hop, reason, n1, n2 in windows]
    assert said(windows)[-1] == last


def test_without_limits_nothing_is_transient():
    """As in bundles that know of none."""
    assert said([("f", 0, "", 0, 0), ("f", 1, "", 1e6, 1e6)], Steadiness()) == [STEADY, STEADY]


def test_all_of_a_run_up_is_transient():
    """From the first window that holds some of it to the last one: means over four seconds, of a ramp of three."""
    seconds = np.concatenate([np.full(10, 50.0), 50.0 + 10.0 * np.arange(1, 4), np.full(10, 80.0)])
    means = np.convolve(seconds, np.full(4, 0.25), mode="valid")
    found = said([("f", index, "", mean, 90) for index, mean in enumerate(means)])
    holds_some = [len(set(seconds[index : index + 4])) > 1 for index in range(len(means))]
    # The window after the last: the hop that left it was still slower.
    expected = [index > 0 and (here or holds_some[index - 1]) for index, here in enumerate(holds_some)]
    assert [reason == TRANSIENT for reason in found] == expected
