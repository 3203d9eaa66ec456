"""Clocks of loggers: rounded stamps, jitter, skipped values."""

from __future__ import annotations

import numpy as np
import pytest

from ground.timeline import ClockSettings, rate_error, stamped_timeline


def clock(rate_hz):
    """The default settings at a rate."""
    return ClockSettings(rate_hz=rate_hz, start_ns=0, segment_period_s=0.0, gap_tolerance_s=0.01)


def stretches(steps_s, rate_hz):
    """Where stretches begin when stamps are so far apart."""
    time_s = np.cumsum([0.0, *steps_s])
    return stamped_timeline(time_s, np.zeros(len(steps_s), dtype=np.bool_), clock(rate_hz)).first_n.tolist()


@pytest.mark.parametrize(
    ("steps_s", "rate_hz", "expected"),
    [
        ([1.0, 1.2, 0.8, 1.0], 1.0, [0]),
        ([1.0, 2.0, 1.0], 1.0, [0]),
        ([1.0, 3.0, 1.0], 1.0, [0, 2]),
        ([0.1, 0.2, 0.1], 10.0, [0]),
        ([0.05, 0.1, 0.05], 20.0, [0, 2]),
    ],
    ids=["jitter", "one skipped", "two skipped", "10 Hz", "20 Hz is no logger"],
)
def test_one_skipped_value_is_no_gap_of_a_logger(steps_s, rate_hz, expected):
    """Up to 10 Hz a step may be 2.5 intervals long, as on board."""
    assert stretches(steps_s, rate_hz) == expected


def test_skipped_values_do_not_change_the_rate():
    """A period of 1.045 s, its stamps cut to whole seconds: steps of 1 s, and now and then of two."""
    time_s = np.floor(np.arange(1147) * 1.045)
    one_hz = clock(1.0)
    assert rate_error(time_s, one_hz, 0.01) == ""
    assert rate_error(np.arange(100) * 1.045, one_hz, 0.01) == "0.956938 Hz"
    assert rate_error(np.arange(100) * 1.045, one_hz, one_hz.rate_tolerance) == ""


def test_fast_clocks_are_held_to_one_percent():
    """As ever."""
    assert clock(1024.0).rate_tolerance == 0.01
    assert clock(1024.0).longest_step_s == pytest.approx(1 / 1024 + 0.01)
