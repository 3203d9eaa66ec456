"""Wear: the pace of the last day, from sums that can be done in the head."""

from __future__ import annotations

import sys
import threading

import pytest

from edge_agent.wear import Wear

MIB = 1024 * 1024
HOUR_S = 3_600.0


def test_first_hour() -> None:
    """A minute after the start nobody extrapolates from a minute."""
    wear = Wear(0.0)
    wear.add(MIB, 1.0)
    assert wear.mib_per_day(60.0) == pytest.approx(24.0)


def test_steady() -> None:
    """One MiB an hour is 24 a day, after two hours and after a week."""
    wear = Wear(0.0)
    for hour in range(24 * 7):
        wear.add(MIB // 2, hour * HOUR_S)
        wear.add(MIB // 2, hour * HOUR_S + 1.0)
        if hour in (2, 24 * 7 - 1):
            assert wear.mib_per_day((hour + 1) * HOUR_S) == pytest.approx(24.0, rel=0.05)


def test_an_outage_is_forgotten_after_a_day() -> None:
    """What was written more than a day ago does not count."""
    wear = Wear(0.0)
    wear.add(1_000 * MIB, 10.0)
    wear.add(MIB, 20 * HOUR_S)
    assert wear.mib_per_day(20 * HOUR_S) == pytest.approx(1_001.0 * 24 / 20)
    assert wear.mib_per_day(30 * HOUR_S) == pytest.approx(1.0 * 24 / 10)


def test_one_asks_while_another_adds() -> None:
    """The main thread reports while the journal's writes: a fault there would end the agent."""
    wear, hours = Wear(0.0), 20_000
    writer = threading.Thread(target=lambda: [wear.add(MIB, hour * HOUR_S) for hour in range(1, hours)])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        writer.start()
        while writer.is_alive():
            assert wear.mib_per_day(hours * HOUR_S) > 0.0
    finally:
        sys.setswitchinterval(before)
        writer.join()
