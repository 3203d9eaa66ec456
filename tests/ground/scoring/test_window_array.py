"""Arrays of windows with shafts: speeds and pulses reach the frames, whatever the form they are given in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ground.frames import frames_for
from ground.scoring.errors import WindowsError
from ground.scoring.window_array import Conditions, window_recordings
from shared_features.spec import ShaftSpec
from tests.conftest import small_spec

REPORTED = dataclasses.replace(small_spec(), conditions=("n1_hz",))
PULSED = dataclasses.replace(small_spec(), shafts=(ShaftSpec("n1", source="tach"),))
WINDOWS = np.zeros((2, 1, 2000))


def frames(spec, **conditions):
    """The frames of each window."""
    return [
        list(frames_for(spec, each))
        for each in window_recordings(spec, WINDOWS, Conditions(phase="cruise", **conditions))
    ]


@pytest.mark.parametrize("speed", [50.0, [50.0, 50.0], np.full((2, 2000), 50.0)])
def test_a_speed_may_be_one_number_one_a_window_or_one_a_sample(speed):
    """All forms say the same here."""
    assert {frame.speed_hz["n1"] for window in frames(REPORTED, speed_hz={"n1": speed}) for frame in window} == {50.0}


def test_each_window_has_its_own_speed():
    """And its own samples' speeds where they are given."""
    ramp = np.stack([np.linspace(10, 20, 2000), np.full(2000, 30.0)])
    first, second = frames(REPORTED, speed_hz={"n1": ramp})
    assert first[0].speed_hz["n1"] == 10.0
    assert second[-1].speed_hz["n1"] == 30.0


def test_pulses_are_counted_from_the_window_s_first_sample():
    """And reach the frames they lie in."""
    first, second = frames(PULSED, tach={"n1": [[0.5, 1500.25], []]})
    found = [
        value for frame, at in zip(first, _starts(first), strict=True) for value in (frame.tach["n1"] + at).tolist()
    ]
    assert found == [0.5, 1500.25]
    assert all(frame.tach["n1"].size == 0 for frame in second)


def _starts(window):
    return np.cumsum([0, *(len(frame.samples) for frame in window[:-1])])


@pytest.mark.parametrize(
    ("spec", "conditions", "text"),
    [
        (REPORTED, {}, "speed_hz: expected n1, got none"),
        (REPORTED, {"speed_hz": {"n1": 1.0, "n2": 1.0}}, "speed_hz: expected n1, got n1, n2"),
        (REPORTED, {"speed_hz": {"n1": [1.0, 2.0, 3.0]}}, r"shape \(2,\) or \(2, 2000\), got \(3,\)"),
        (REPORTED, {"speed_hz": {"n1": "fast"}}, "expected real numbers"),
        (PULSED, {}, "tach: expected n1, got none"),
        (PULSED, {"tach": {"n1": [[1.0]]}}, "expected 2 lists"),
        (PULSED, {"tach": {"n1": [[2.0, 1.0], []]}}, "ascend"),
        (PULSED, {"tach": {"n1": [[-1.0], []]}}, "ascend"),
        (PULSED, {"tach": {"n1": [[2000.0], []]}}, "ascend"),
        (PULSED, {"tach": {"n1": [[np.nan], []]}}, "ascend"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(spec, conditions, text):
    """Before anything is computed."""
    with pytest.raises(WindowsError, match=text):
        frames(spec, **conditions)
