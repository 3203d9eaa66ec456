"""Detectors of healthy windows alone, by known and unknown units, and the rehearsals their thresholds come from."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from edge_agent.domain import OUTSIDE_DOMAIN
from ground.config import DecisionConfig, ModelConfig
from ground.domain import learn_domain
from ground.errors import CalibrationError
from ground.prediction import FLIGHT_SPREAD, UNIT_SPREAD, prediction_bound
from ground.rehearsal import (
    BLOCKS,
    FEWEST_BLOCKS,
    Recipe,
    later_time,
    left_out_conditions,
    left_out_recordings,
    left_out_units,
    time_blocks,
)
from ground.standalone import learn_alone, learn_fleet
from ground.units import FEWEST_WINDOWS, learn_shifts
from ground.window_table import WindowTable
from shared_features.vector import columns_of
from tests.ground.one_channel import SPEC

IS_LOG = np.array([column.scale == "log" for column in columns_of(SPEC)])
RECIPE = Recipe(SPEC, "mahalanobis", ModelConfig(), 7)
DECISION = DecisionConfig(k=2, n=3)
N = len(IS_LOG)


@pytest.fixture(autouse=True)
def _few_rows_are_meant():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def windows(recordings, *, n=60, seed=0, fault=0.0):
    """Windows of recordings (name, unit, level of the unit, speed): each feature rises with the logarithm of speed."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for name, unit, level, speed in recordings:
        scaled = 0.05 * rng.normal(size=(n, N)) + level + 2.0 * np.log(speed / 20.0) + fault
        table = np.where(IS_LOG, np.exp(scaled), scaled)
        table[:, -1] = speed
        values.append(table)
        start_ns = np.arange(n, dtype=np.int64) * 10**9
        rows.append(pd.DataFrame({"recording_id": name, "unit_id": unit, "start_ns": start_ns}))
    frame = pd.concat(rows, ignore_index=True).assign(phase="steady", reason="", label=0, fault_type="")
    frame["end_ns"] = frame["start_ns"] + 10**9
    return WindowTable(frame, np.concatenate(values).astype(np.float32))


def detector_of(units):
    """The graph of a detector of such recordings."""
    return learn_alone(windows(units), RECIPE, DECISION, units_differ=True).module


FOUR_SPEEDS = [(f"r{speed}", "u", 0.0, float(speed)) for speed in (10, 20, 30, 40)]


def test_blocks_are_in_time_order_within_each_recording():
    """Rows of two recordings, mixed: six equal blocks of each, ascending with time."""
    table = windows([("a", "u", 0.0, 20.0), ("b", "u", 0.0, 20.0)], n=12)
    mixed = table.rows.sample(frac=1.0, random_state=1)
    blocks = pd.Series(time_blocks(mixed), index=mixed.index).sort_index()
    assert blocks.tolist() == [number for _ in "ab" for number in range(BLOCKS) for _ in range(2)]


def test_later_time_asks_each_block_of_a_detector_of_those_before():
    """One group a recording and block; too few windows to learn from give none."""
    asked = later_time(windows(FOUR_SPEEDS), RECIPE)
    assert len(asked.flights) == 4 * (BLOCKS - FEWEST_BLOCKS)
    assert len({flight.group for flight in asked.flights}) == len(asked.flights)
    assert all(len(flight.scores) == 10 for flight in asked.flights)
    assert later_time(windows(FOUR_SPEEDS[:1], n=12), RECIPE).flights == ()


def test_inner_conditions_are_left_out():
    """Of four speeds the two in the middle, as one group each; a bend there scores higher than a straight line."""
    straight = left_out_conditions(windows(FOUR_SPEEDS), RECIPE)
    assert sorted({flight.group for flight in straight.flights}) == ["condition 0", "condition 1"]
    bent = windows([*FOUR_SPEEDS[:1], ("r20", "u", 1.0, 20.0), *FOUR_SPEEDS[2:]])
    assert left_out_conditions(bent, RECIPE).flights[0].scores.mean() > 1.5 * straight.flights[0].scores.mean()
    assert left_out_conditions(windows(FOUR_SPEEDS[:2]), RECIPE).flights == ()


def test_recordings_are_asked_where_others_know_speed_and_unit():
    """Twins ask each other; a recording alone at its speed, or of its unit, is asked of nobody."""
    twins = [("a", "u", 0.0, 20.0), ("b", "u", 0.0, 20.0)]
    asked = left_out_recordings(windows([*twins, ("c", "u", 0.0, 40.0), ("d", "v", 0.0, 20.0)]), RECIPE)
    assert sorted(flight.group for flight in asked.flights) == ["a", "b"]


def test_units_are_left_out_whole():
    """Three units at one speed: each is scored by a detector of the other two, the odd one highest."""
    units = [("a", "u", 0.0, 20.0), ("b", "v", 0.1, 20.0), ("c", "w", 1.0, 20.0)]
    asked = left_out_units(windows(units), RECIPE, detector_of(units)).flights
    means = {flight.group: flight.scores.mean() for flight in asked}
    assert max(means, key=means.get) == "w"
    assert left_out_units(windows(units[:1]), RECIPE, detector_of(units)).flights == ()


def test_what_left_out_units_say_is_carried_over_to_the_final_detector():
    """Where that one knows no more than the rehearsed one, as it is; where it knows both units, each counts less."""
    # Up in one feature and down in the next: surrogates differ so, and not all in one direction.
    units = [("a", "u", 0.0, 20.0), ("b", "v", np.where(np.arange(N) % 2, 2.0, -2.0), 20.0)]
    table = windows(units)
    first, second = (
        WindowTable(table.rows[part].reset_index(drop=True), table.values[part]) for part in (slice(60), slice(60, 120))
    )
    of_u, of_v, both = (
        learn_alone(each, RECIPE, DECISION, units_differ=True).module for each in (first, second, table)
    )
    as_it_is = {"u": of_v.outputs(first.values).score, "v": of_u.outputs(second.values).score}
    for unit, final in (("v", of_u), ("u", of_v)):
        said = {flight.group: flight.scores for flight in left_out_units(table, RECIPE, final).flights}
        np.testing.assert_allclose(said[unit], as_it_is[unit], rtol=1e-6)
    less = {flight.group: flight.scores for flight in left_out_units(table, RECIPE, both).flights}
    assert all(less[unit].mean() < 0.9 * as_it_is[unit].mean() for unit in "uv")


def test_what_left_out_units_say_spreads_as_units_do():
    """Not as the flights of one do: of two that say the same, the next may say 2.7 times as much."""
    units = [("a", "u", 0.0, 20.0), ("b", "v", 0.1, 20.0)]
    asked = left_out_units(windows(units), RECIPE, detector_of(units))
    assert asked.prior_spread == UNIT_SPREAD
    assert later_time(windows(FOUR_SPEEDS), RECIPE).prior_spread == FLIGHT_SPREAD
    # Student's t of 5 degrees: 2.015; the variance (4 * 0.45^2 + 0) / 5, of one more beside two: * 1.5.
    bound = prediction_bound(np.ones(2), 0.05, prior_spread=asked.prior_spread)
    assert bound == pytest.approx(np.exp(2.015 * np.sqrt(0.162 * 1.5)), rel=1e-3)
    assert bound == pytest.approx(2.70, abs=0.005)


def test_strangers_do_not_alarm_where_every_unit_ran_at_a_speed_of_its_own():
    """Nobody knows another's speed, so units are asked beyond it: a healthy stranger is no alarm for good."""
    units = [("a", "u", 0.0, 20.0), ("b", "v", 0.4, 25.0), ("c", "w", -0.3, 30.0)]
    assert {flight.group for flight in left_out_units(windows(units), RECIPE, detector_of(units)).flights} == {
        "u",
        "v",
        "w",
    }
    fleet = learn_fleet(windows(units), RECIPE, DECISION)
    assert not fleet.answer(windows([("s", "stranger", 0.3, 25.0)], seed=1)).alarm.any()


def test_what_a_speed_does_is_learned_within_units():
    """Two units that ran at two speeds each: their shifts are what sets them apart, not what the speeds do."""
    recordings = [(f"{unit}{speed}", unit, level, float(speed)) for unit, level in (("u", -0.3), ("v", 0.3))
                  for speed in (20, 40)]  # fmt: skip
    shifts = learn_shifts(windows(recordings), SPEC).shifts
    np.testing.assert_allclose(shifts["v"][:-1] - shifts["u"][:-1], 0.6, atol=0.05)
    assert shifts["v"][-1] == 0.0


def test_a_unit_with_a_speed_of_its_own_is_explained_by_its_shift():
    """Nobody ran at both speeds: the speed is given nothing, the units all."""
    shifts = learn_shifts(windows([("a", "u", 0.0, 20.0), ("b", "v", 0.0, 40.0)]), SPEC).shifts
    np.testing.assert_allclose(shifts["v"][:-1] - shifts["u"][:-1], 2.0 * np.log(2.0), atol=0.05)


def test_one_unit_has_no_shift():
    """Nor has one of many with too few windows."""
    assert learn_shifts(windows(FOUR_SPEEDS), SPEC).shifts == {}
    few = windows([("a", "u", 0.0, 20.0), ("b", "v", 0.0, 20.0)], n=FEWEST_WINDOWS - 1)
    assert learn_shifts(few, SPEC).shifts == {}


def test_known_units_are_held_against_themselves():
    """A fault smaller than the differences between units is found in a known unit, and healthy time is silent."""
    units = [("a", "u", -0.6, 20.0), ("b", "v", 0.0, 20.0), ("c", "w", 0.6, 20.0)]
    fleet = learn_fleet(windows(units), RECIPE, DECISION)
    healthy, faulty = (fleet.answer(windows(units, seed=1, fault=fault)) for fault in (0.0, 0.35))
    assert not healthy.alarm.any()
    assert faulty.alarm.reshape(3, -1).any(axis=1).all()
    assert faulty.rows["recording_id"].tolist() == windows(units).rows["recording_id"].tolist()


def test_unknown_units_are_held_against_all():
    """A new unit between the known ones is silent; one that is off by far more than they are from each other alarms."""
    units = [("a", "u", -0.3, 20.0), ("b", "v", 0.0, 20.0), ("c", "w", 0.3, 20.0)]
    fleet = learn_fleet(windows(units), RECIPE, DECISION)
    assert not fleet.answer(windows([("x", "new", 0.15, 20.0)], seed=2)).alarm.any()
    assert fleet.answer(windows([("y", "other", 8.0, 20.0)], seed=2)).alarm.any()


def test_speeds_between_are_assessed_and_those_outside_are_not():
    """Half-way between trained speeds is normal, beyond them not assessed, and quieter is strange, too."""
    detector = learn_alone(windows(FOUR_SPEEDS), RECIPE, DECISION, units_differ=True)
    between = detector.answer(windows([("x", "u", 0.0, 25.0)], seed=3))
    assert between.assessed.all()
    assert not between.alarm.any()
    outside = detector.answer(windows([("x", "u", 0.0, 50.0)], seed=3))
    assert set(outside.rows["reason"]) == {OUTSIDE_DOMAIN}
    for fault in (-4.0, 4.0):
        assert detector.answer(windows(FOUR_SPEEDS, seed=4, fault=fault)).alarm.any()


def test_very_few_windows_are_rehearsed_by_leaving_some_out():
    """Too few for later time: each sixth is left out once, and the threshold holds on windows never seen."""
    detector = learn_alone(windows(FOUR_SPEEDS[:1], n=24), RECIPE, DECISION, units_differ=True)
    assert detector.report.insufficient_flights
    assert not detector.answer(windows(FOUR_SPEEDS[:1], n=60, seed=5)).alarm.any()


def test_too_few_windows_promise_nothing():
    """A detector that cannot be rehearsed gets no threshold: on windows it learned from it looks far too good."""
    with pytest.raises(CalibrationError, match="expected 20 or more healthy windows"):
        learn_alone(windows(FOUR_SPEEDS[:1], n=18), RECIPE, DECISION, units_differ=True)


def test_recordings_of_one_window_are_rehearsed_on_each_other():
    """Short clips have no later time: each tenth of them is asked of a detector of the others."""
    clips = [(f"clip{index:02}", f"u{index % 4}", 0.0, 20.0) for index in range(60)]
    detector = learn_alone(windows(clips, n=1), RECIPE, DECISION, units_differ=False)
    assert not detector.answer(windows(clips[:1], n=60, seed=6)).alarm.any()
    assert detector.answer(windows(clips[:1], n=60, seed=6, fault=2.0)).alarm.any()


def test_stretches_of_one_recording_are_one_observation():
    """Twenty recordings give sixty stretches of later time, and still too few flights for 5 % at 95 %."""
    many = [(f"r{index:02}", "u", 0.0, 20.0) for index in range(20)]
    report = learn_alone(windows(many, n=30), RECIPE, DECISION, units_differ=False).report
    assert (report.n_flights, report.insufficient_flights) == (20, True)


def test_left_out_units_speak_once_each():
    """Of a unit with several recordings the largest value counts."""
    units = [(f"{unit}{number}", unit, level, 20.0) for unit, level in (("u", 0.0), ("v", 0.1), ("w", 0.2))
             for number in range(4)]  # fmt: skip
    asked = left_out_units(windows(units, n=20), RECIPE, detector_of(units)).flights
    assert {flight.group for flight in asked} == {"u", "v", "w"}


def test_recordings_without_a_phase_leave_the_phases_open():
    """The phase that stands for none limits nothing on board; phases that were named do."""
    table = windows(FOUR_SPEEDS)
    assert learn_domain(SPEC, table.rows, table.values).phases == ()
    named = table.rows.assign(phase=np.where(table.rows.index % 2, "climb", "cruise"))
    assert learn_domain(SPEC, named, table.values).phases == ("climb", "cruise")
