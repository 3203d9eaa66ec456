"""Rotation of shafts against closed forms, and what a stream may do to it: nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_features.rotation import RotationLog, from_pulses, from_reports
from shared_features.spec import ChannelSpec, FeatureSpec, ShaftSpec, SpectrumGroup

RATE_HZ = 1000.0
RECORD_N = 1000
GRID_N = np.linspace(0.0, RECORD_N, 401)
NO_PULSES: dict[str, np.ndarray] = {}


def make_spec(shafts):
    """A spec that follows shafts, at any speed."""
    return FeatureSpec(
        sampling_rate_hz=RATE_HZ,
        record_s=1.0,
        window_s=1.0,
        hop_s=1.0,
        channels=(ChannelSpec("acc", "g"),),
        spectrum=SpectrumGroup(200, 100, ()),
        shafts=shafts,
    )


REPORTED = make_spec((ShaftSpec("n1"),))
TACH = make_spec((ShaftSpec("n1", "tach"),))


def reported(*reports, start_n=0):
    """The rotation of the record at ``start_n`` after reports of (position, speed)."""
    log = RotationLog(REPORTED)
    for position_n, speed_hz in reports:
        log.note(position_n, np.array([speed_hz]), NO_PULSES)
    return log.rotations(start_n)[0]


def turned(rotation, position_n=GRID_N):
    """Revolutions since the record's start."""
    return rotation.turns_at(position_n) - rotation.turns_at(np.zeros(1))


def run_up_turns(position_n, start_hz=50.0, rise_hz_s=5.0):
    """Revolutions of a shaft whose speed rises evenly."""
    time_s = position_n / RATE_HZ
    return start_hz * time_s + 0.5 * rise_hz_s * time_s**2


def run_up_pulses(first, last):
    """Positions at which that shaft has made ``first`` to ``last`` turns."""
    number = np.arange(first, last + 1.0)
    return RATE_HZ * (np.sqrt(50.0**2 + 2.0 * 5.0 * number) - 50.0) / 5.0


def by_pulses(pulses_n, per_rev=1.0):
    """The rotation that pulses in the record tell."""
    return from_pulses(np.asarray(pulses_n, dtype=np.float64), per_rev, RECORD_N, RATE_HZ, 0.5)


def bits(rotation):
    """Everything that features read from a rotation, comparable to the bit."""
    numbers = (rotation.mean_hz, rotation.low_hz, rotation.high_hz)
    return rotation.reason, numbers, rotation.turns_at(GRID_N).tobytes()


def test_one_speed_turns_evenly():
    """At 40 Hz and 1 kHz a sample is 0.04 of a turn, to the bit."""
    rotation = reported((0, 40.0))
    assert (rotation.mean_hz, rotation.low_hz, rotation.high_hz, rotation.reason) == (40.0, 40.0, 40.0, "")
    np.testing.assert_array_equal(rotation.turns_at(GRID_N), GRID_N * 0.04)


def test_reports_of_a_run_up_give_its_integral():
    """Reports on a straight line, one of them before the record, give the parabola, beyond the last one too (1e-12)."""
    rotation = reported(*((n, 50.0 + 0.005 * n) for n in (-150, -50, 120, 480, 600, 910)))
    np.testing.assert_allclose(turned(rotation), run_up_turns(GRID_N), rtol=0, atol=1e-12)
    assert rotation.mean_hz == pytest.approx(52.5, rel=1e-14)
    assert (rotation.low_hz, rotation.high_hz) == pytest.approx((50.0, 55.0), rel=1e-14)


def test_speed_goes_on_for_one_interval_and_stays():
    """50, 60 Hz 200 samples apart: 70 Hz 200 samples later, and no more, however long no report comes."""
    rotation = reported((0, 50.0), (200, 60.0))
    assert rotation.high_hz == 70.0
    assert turned(rotation, np.array([1000.0]))[0] == pytest.approx((55 * 200 + 65 * 200 + 70 * 600) / 1000.0)


def test_a_report_per_record_still_tells_the_run_up():
    """The report before the one in force gives the slope where a record holds no other."""
    rotation = reported((0, 50.0), (1000, 55.0), start_n=1000)
    np.testing.assert_allclose(turned(rotation), run_up_turns(GRID_N, start_hz=55.0), rtol=0, atol=1e-12)


def test_a_report_before_the_last_one_does_not_count_beside_others():
    """Once the speed is known inside the record, what it was long before does not matter."""
    assert bits(reported((0, 10.0), (900, 50.0), (1500, 50.0), start_n=1000)) == bits(reported((0, 50.0)))


def test_unknown_speeds_are_left_out():
    """A frame without the speed, between two that have it, is no report."""
    with_gap = reported((0, 50.0), (600, np.nan), (800, 54.0))
    assert bits(with_gap) == bits(reported((0, 50.0), (800, 54.0)))


def test_a_speed_unknown_for_long_is_missing():
    """A quarter of the record is bridged, no more, wherever it lies: within, at the end, or all but the ends."""
    assert reported((0, 50.0), (500, np.nan), (750, 50.0)).reason == ""
    assert reported((0, 50.0), (500, np.nan), (751, 50.0)).reason == "condition_missing"
    assert reported((0, 50.0), (700, np.nan)).reason == "condition_missing"
    assert reported((-50, np.nan), (100, 50.0)).reason == ""
    assert reported((0, 50.0), (100, np.nan), (200, 50.0), (300, np.nan), (600, 50.0)).reason == "condition_missing"


def test_an_old_speed_does_not_stand_in():
    """The report in force says that the speed is unknown: the one before it is no answer."""
    assert reported((0, 50.0), (1000, np.nan), start_n=1000).reason == "condition_missing"
    assert bits(reported((0, 20.0), (900, np.nan), (1200, 50.0), start_n=1000)) == bits(reported((0, 50.0)))


@pytest.mark.parametrize(("speed_hz", "reason"), [(0.0, "speed_out_of_range"), (np.inf, "condition_missing")])
def test_a_standing_shaft_has_no_orders(speed_hz, reason):
    """At rest nothing is an order; a speed that is no number is no speed."""
    assert reported((0, speed_hz)).reason == reason


def test_a_stopping_shaft_is_out_of_range():
    """The speed reaches zero within the record."""
    assert reported((0, 20.0), (500, 0.0), (800, 20.0)).reason == "speed_out_of_range"
    assert reported((0, 20.0), (500, 10.0), (900, 1.0)).reason == "speed_out_of_range"


@pytest.mark.parametrize("per_rev", [1.0, 4.0, 0.4])
def test_pulses_of_a_steady_shaft(per_rev):
    """Pulses every 12.5 samples: 80 pulses/s, over the pulses of a revolution; exact between and beyond them."""
    rotation = by_pulses(np.arange(-25.0, 1000.0, 12.5), per_rev)
    np.testing.assert_allclose(turned(rotation), GRID_N * 0.08 / per_rev, rtol=0, atol=1e-10)
    assert rotation.mean_hz == pytest.approx(80.0 / per_rev, rel=1e-12)


def test_pulses_of_a_run_up():
    """Linear between pulses: at most a T² / 8 turns off inside (a = 5 Hz/s, T = 20 ms), and a T² beyond the last."""
    rotation = by_pulses(run_up_pulses(-1, 52))
    inside = run_up_pulses(0, 52)
    np.testing.assert_allclose(turned(rotation, inside), np.arange(53.0), rtol=0, atol=1e-9)
    error = np.abs(turned(rotation) - run_up_turns(GRID_N))
    assert 0.0 < error[inside[-1] >= GRID_N].max() <= 5.0 * 0.02**2 / 8.0
    assert error.max() <= 5.0 * 0.02**2
    assert (rotation.low_hz, rotation.high_hz) == pytest.approx((50.0, 55.0), rel=0.005)


@pytest.mark.parametrize("pulses_n", [[100.0, 700.0], [-300.0, 300.0], [-900.0, 0.0], [0.0, 600.0]])
def test_two_pulses_are_enough(pulses_n):
    """One interval tells the speed, inside the record or as the shaft enters it."""
    rotation = by_pulses(pulses_n)
    interval_n = pulses_n[1] - pulses_n[0]
    np.testing.assert_allclose(turned(rotation), GRID_N / interval_n, rtol=0, atol=1e-12)


def without(pulses_n, *left_out):
    """The pulses but for some."""
    return np.delete(pulses_n, left_out)


EVERY_20 = np.arange(-40.0, 1000.0, 20.0)


@pytest.mark.parametrize(
    "pulses_n",
    [
        [],
        [500.0],
        without(EVERY_20, 25),
        without(EVERY_20, *range(40, 52)),
        np.arange(45.0, 1000.0, 20.0),
        np.sort(np.append(EVERY_20, 310.0)),
        np.append(EVERY_20, EVERY_20[-1]),
    ],
    ids=["none", "one", "one missing", "lost at the end", "late at the start", "doubled", "twice"],
)
def test_missing_and_doubled_pulses_are_tach_loss(pulses_n):
    """A shaft does not turn half as fast for a single turn."""
    assert by_pulses(pulses_n).reason == "tach_loss"
    assert by_pulses(EVERY_20).reason == ""


def test_a_fast_run_up_is_no_tach_loss():
    """From 25 to 100 Hz within the record: the intervals differ fourfold, neighbours by little."""
    turns = np.arange(0.0, 64.0)
    at_s = (-25.0 + np.sqrt(25.0**2 + 2.0 * 75.0 * turns)) / 75.0
    rotation = by_pulses(np.concatenate([[-40.0], at_s * 1000.0]))
    assert rotation.reason == ""
    assert rotation.mean_hz == pytest.approx(62.5, rel=0.02)


def test_jitter_does_not_widen_the_range_of_speeds():
    """Pulses off by 2 % of an interval change intervals by 4 %, and the speed of a part by a third of that."""
    jitter = np.random.default_rng(3).uniform(-0.4, 0.4, EVERY_20.size)
    rotation = by_pulses(EVERY_20 + jitter)
    assert (rotation.low_hz, rotation.high_hz) == pytest.approx((50.0, 50.0), rel=0.02)


def feed(spec, cuts, speeds, pulses_n):
    """The rotations of all records of a stream that is cut at ``cuts``, told as the extractor tells them."""
    log, rotations, total_n = RotationLog(spec), [], 5 * spec.record_n
    edges = [0, *sorted(cuts), total_n]
    for begin, end in pairwise(edges):
        inside = pulses_n[(pulses_n >= begin) & (pulses_n < end)] - begin
        log.note(begin, speeds, {"n1": inside})
        while (len(rotations) + 1) * spec.record_n <= end:
            rotations.extend(log.rotations(len(rotations) * spec.record_n))
    return [bits(rotation) for rotation in rotations]


CUTS = st.lists(st.integers(0, 5 * RECORD_N), max_size=30)
WANDERING = np.cumsum(np.random.default_rng(8).uniform(15.0, 20.0, 300))


@settings(max_examples=60, deadline=None)
@given(cuts=CUTS, speed_hz=st.floats(1.0, 400.0))
def test_constant_speeds_have_the_same_bits_under_any_chunking(cuts, speed_hz):
    """Chunks that say again what is known change nothing, empty chunks included."""
    speeds = np.array([speed_hz])
    assert feed(REPORTED, cuts, speeds, np.zeros(0)) == feed(REPORTED, [], speeds, np.zeros(0))


@settings(max_examples=60, deadline=None)
@given(cuts=CUTS, shift_n=st.floats(0.0, 1.0))
def test_pulses_have_the_same_bits_under_any_chunking(cuts, shift_n):
    """Positions count from the chunk's first sample: cutting it elsewhere must not round them otherwise."""
    pulses_n = np.rint((WANDERING + shift_n) * 1024.0) / 1024.0
    assert feed(TACH, cuts, np.zeros(0), pulses_n) == feed(TACH, [], np.zeros(0), pulses_n)


def test_bits_do_not_depend_on_how_long_the_stream_has_been():
    """A day at 25.6 kHz on, fractions of a sample have no room in a position that is not rounded to a grid."""
    found = []
    for start_n in (0, 2_211_840_000):
        log = RotationLog(TACH)
        log.note(start_n, np.zeros(0), {"n1": WANDERING[WANDERING < RECORD_N]})
        found.extend(map(bits, log.rotations(start_n)))
    assert found[0] == found[1]


def test_pulses_before_a_record_tell_how_it_begins():
    """In a stream the pulse before a record is known: the first interval need not stand in for the one before."""
    log = RotationLog(TACH)
    log.note(0, np.zeros(0), {"n1": run_up_pulses(0, 120)[run_up_pulses(0, 120) < 2000.0]})
    log.rotations(0)
    (rotation,) = log.rotations(1000)
    error = turned(rotation) - run_up_turns(GRID_N, start_hz=55.0)
    assert np.abs(error[:200]).max() <= 5.0 * 0.02**2 / 4.0


def test_the_log_forgets():
    """After a thousand records it holds what the last one needs; a stream without samples adds nothing."""
    log = RotationLog(make_spec((ShaftSpec("n1"), ShaftSpec("n2", "tach"))))
    for index in range(4000):
        log.note(250 * index, np.array([50.0 + 1e-4 * index]), {"n2": np.arange(0.0, 250.0, 10.0)})
        log.note(250 * index, np.array([50.0 + 1e-4 * index]), {})
        if index % 4 == 3:
            log.rotations(250 * (index - 3))
    reports, pulses = log._logs
    assert len(reports._positions_n) == len(reports._speeds_hz) <= 6
    assert pulses._pulses_n.size <= 102


def test_reset_forgets():
    """After a gap positions begin anew, and nothing of before it is left."""
    log = RotationLog(make_spec((ShaftSpec("n1"), ShaftSpec("n2", "tach"))))
    log.note(0, np.array([50.0]), {"n2": EVERY_20[2:]})
    assert [rotation.reason for rotation in log.rotations(0)] == ["", ""]
    log.reset()
    log.note(0, np.array([np.nan]), {})
    assert [rotation.reason for rotation in log.rotations(0)] == ["condition_missing", "tach_loss"]


def test_without_shafts_nothing_is_kept():
    """A spec that follows no shaft costs nothing."""
    log = RotationLog(make_spec(()))
    log.note(0, np.array([50.0]), {"n1": EVERY_20})
    assert log.rotations(0) == ()
    assert log._logs == ()


def test_the_order_of_the_spec_is_kept():
    """Rotations come in the order of the shafts, speeds in that of the spec's speeds."""
    log = RotationLog(make_spec((ShaftSpec("n2"), ShaftSpec("n1"))))
    log.note(0, np.array([80.0, 50.0]), NO_PULSES)
    assert [rotation.mean_hz for rotation in log.rotations(0)] == [80.0, 50.0]


def test_one_steady_speed_is_one_object():
    """Whoever has prepared for it finds the work done in the next record."""
    log = RotationLog(REPORTED)
    log.note(0, np.array([50.0]), NO_PULSES)
    assert log.rotations(0)[0] is log.rotations(1000)[0]


def test_no_report_is_no_speed():
    """A record before any report."""
    assert from_reports(np.zeros(0), np.zeros(0), RECORD_N, RATE_HZ).reason == "condition_missing"
