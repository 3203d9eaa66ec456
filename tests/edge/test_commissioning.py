"""Commissioning as a state machine: what is learned, what never is, and what survives a restart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_agent.commissioning import ANY_BUNDLE, CHECKPOINT_WINDOWS, MOST_ROWS, Commissioning
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels, KnownUnit, PhaseThreshold
from edge_agent.decision import ALARM, NORMAL, WARNING
from edge_agent.errors import BundleFormatError, UnitStateError
from edge_agent.scaler import Scaler
from edge_agent.unit_state import COMMISSIONING, KNOWN, POOLED, UnitState, new_unit

ENGINE = "OO-ABC/1"
SCALER = Scaler(("a", "b", "n1_hz"), ("log", "linear", "linear"), (0.0, 1.0, 50.0), (0.5, 2.0, 10.0))
POLICY = CommissioningPolicy(
    flights=3,
    windows=4,
    spans=(10.0,),
    limits=(1.5, 1.0, 0.0),
    # b rises by one spread while the speed goes from 40 Hz to 60 Hz.
    expected=ExpectedLevels(offset=(0.0, 0.0, 0.0), columns=(2,), low=(-1.0,), width=(2.0,), steps=((0.0, 1.0, 0.0),)),
    pooled=1.0,
    phases=(PhaseThreshold(phase="cruise", threshold=0.5),),
    confidence=0.9,
    units=20,
    known=(KnownUnit(engine="OO-KNO/1", shift=(0.5, 0.0, 0.0)),),
)


def machine(state=None, policy=POLICY, bundle="d1"):
    """A machine, fresh by default."""
    return Commissioning(policy, SCALER, bundle, state or new_unit("", ""))


def window(shift_a=0.0, shift_b=0.0, speed=50.0):
    """A window that lies so many spreads above the expectation at its speed."""
    ramp = min(max((speed - 40.0) / 20.0, 0.0), 1.0)
    return np.array([np.exp(0.5 * shift_a), 1.0 + 2.0 * (shift_b + ramp), speed], dtype=np.float32)


def fly(unit, flight, *, n=8, decided=NORMAL, odd=(), shift=(1.0, -0.5)):
    """A flight of ``n`` windows from 44 Hz to 58 Hz; ``odd`` are states of further windows, far off."""
    unit.begin(ENGINE, flight)
    for speed in np.linspace(44.0, 58.0, n):
        unit.learn(window(*shift, speed=speed), decided)
    for state in odd:
        unit.learn(window(30.0, 30.0), state)


def test_three_flights_make_a_unit_known():
    """The level is the one above the expectation at each speed; nothing is taken away before the third flight ends."""
    unit = machine()
    for flight in ("f1", "f2", "f3"):
        fly(unit, flight)
        assert unit.state.stage == COMMISSIONING
        assert unit.state.shift == ()
    unit.begin(ENGINE, "f4")
    assert unit.state.stage == KNOWN
    np.testing.assert_allclose(unit.state.shift, [1.0, -0.5, 0.0], atol=1e-6)
    assert unit.state.clipped == ()
    assert [flight.windows for flight in unit.state.flights] == [8, 8, 8]


def test_what_is_known_is_frozen():
    """Later flights, however strange, change nothing: a slow wear is measured against the beginnings."""
    unit = machine()
    for flight in ("f1", "f2", "f3", "f4"):
        fly(unit, flight)
    known = unit.state
    for flight in ("f5", "f6", "f7", "f8"):
        fly(unit, flight, shift=(1.4, 0.5))
    assert unit.state is known


REFUSED = {
    "an alarm at its end": {"odd": (ALARM,)},
    "an alarm that cleared": {"odd": (ALARM, NORMAL, NORMAL)},
    "warnings throughout": {"decided": WARNING},
    "mostly warnings": {"odd": (WARNING,) * 9},
    "too few windows": {"n": 3},
}


@pytest.mark.parametrize("flight", REFUSED.values(), ids=REFUSED)
def test_such_a_flight_is_never_learned_from(flight):
    """None of its windows, those before the alarm included; it is counted, and others take its place."""
    unit = machine()
    fly(unit, "f1")
    fly(unit, "bad", **flight)
    fly(unit, "f2")
    fly(unit, "f3")
    unit.begin(ENGINE, "f4")
    assert unit.state.stage == KNOWN
    assert [flight.flight for flight in unit.state.flights] == ["f1", "f2", "f3"]
    assert unit.state.refused == 1
    np.testing.assert_allclose(unit.state.shift, [1.0, -0.5, 0.0], atol=1e-6)


def test_windows_above_the_threshold_do_not_count():
    """A few warnings leave their flight usable and the level where it was."""
    unit = machine()
    for flight in ("f1", "f2", "f3"):
        fly(unit, flight, odd=(WARNING, WARNING))
    unit.begin(ENGINE, "f4")
    np.testing.assert_allclose(unit.state.shift, [1.0, -0.5, 0.0], atol=1e-6)


def test_one_odd_flight_of_three_does_not_move_the_level():
    """The median of the flights' medians."""
    unit = machine()
    for flight, shift in (("f1", (1.0, 0.0)), ("f2", (-1.4, 0.9)), ("f3", (1.1, 0.1))):
        fly(unit, flight, shift=shift)
    unit.begin(ENGINE, "f4")
    np.testing.assert_allclose(unit.state.shift, [1.0, 0.1, 0.0], atol=1e-6)


def test_a_level_beyond_what_units_differ_by_is_cut_off_and_named():
    """What is over stays in the features and in the score."""
    unit = machine()
    for flight in ("f1", "f2", "f3"):
        fly(unit, flight, shift=(4.0, -0.5))
    unit.begin(ENGINE, "f4")
    np.testing.assert_allclose(unit.state.shift, [1.5, -0.5, 0.0], atol=1e-6)
    assert unit.state.clipped == ("a",)


def test_flights_at_one_speed_are_not_enough():
    """Commissioning goes on until its last flights have seen the range that the policy asks for."""
    unit = machine()
    for number in range(5):
        unit.begin(ENGINE, f"taxi{number}")
        for _ in range(8):
            unit.learn(window(1.0, speed=44.0), NORMAL)
    assert unit.state.stage == COMMISSIONING
    fly(unit, "f6")
    unit.begin(ENGINE, "f7")
    assert unit.state.stage == KNOWN
    assert len(unit.state.flights) == POLICY.flights


def test_without_a_policy_nothing_is_learned():
    """Every unit stays pooled."""
    unit = machine(policy=None)
    for number in range(5):
        fly(unit, f"f{number}")
    assert unit.state.stage == POOLED
    assert unit.state.shift == ()


def test_a_unit_of_the_training_is_known_at_once():
    """By the place it flew in; nothing more is learned of it."""
    unit = machine()
    unit.begin("OO-KNO/1", "f1")
    assert (unit.state.stage, unit.state.shift) == (KNOWN, (0.5, 0.0, 0.0))


def test_another_bundle_or_engine_starts_anew():
    """Levels are in the spreads of one bundle, and of one engine."""
    unit = machine()
    for flight in ("f1", "f2", "f3", "f4"):
        fly(unit, flight)
    other = machine(unit.state, bundle="d2")
    other.begin(ENGINE, "f5")
    assert (other.state.stage, other.state.flights, other.state.bundle_digest) == (COMMISSIONING, (), "d2")
    elsewhere = machine(unit.state)
    elsewhere.begin("OO-ABC/2", "f5")
    assert (elsewhere.state.stage, elsewhere.state.engine) == (COMMISSIONING, "OO-ABC/2")


TAMPERED = {
    "known without a shift": {"stage": KNOWN},
    "a shift of other features": {"stage": KNOWN, "shift": (1.0,)},
    "a shift without being known": {"shift": (1.0, 1.0, 0.0)},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_a_state_that_cannot_be_starts_anew(change):
    """A file of the right names and wrong lengths must not stop the watch over the engine."""
    unit = machine(replace(new_unit(ENGINE, "d1", COMMISSIONING), **change))
    unit.begin(ENGINE, "f1")
    assert (unit.state.stage, unit.state.shift) == (COMMISSIONING, ())


def restarted(unit):
    """The machine after a restart: what it had kept, through its file."""
    return machine(UnitState.from_json(unit.state.to_json(), where="state"))


def test_a_restart_between_flights_changes_nothing():
    """As an aircraft does it: power off after each flight. The checkpoint of a flight is what counts then."""
    unit = machine()
    for flight in ("f1", "f2", "f3"):
        fly(unit, flight, n=CHECKPOINT_WINDOWS)
        unit = restarted(unit)
    unit.begin(ENGINE, "f4")
    assert unit.state.stage == KNOWN
    np.testing.assert_allclose(unit.state.shift, [1.0, -0.5, 0.0], atol=1e-6)


def test_an_alarm_after_a_restart_within_a_flight_still_spoils_it():
    """The part before the restart is kept by its medians alone, to be discarded if need be."""
    unit = machine()
    fly(unit, "f1", n=CHECKPOINT_WINDOWS)
    unit = restarted(unit)
    fly(unit, "f1", n=0, odd=(ALARM,))
    unit = restarted(unit)
    unit.begin(ENGINE, "f2")
    assert (unit.state.flights, unit.state.refused) == ((), 1)


def test_an_alarm_is_kept_at_once():
    """Power may fail before the next checkpoint."""
    unit = machine()
    fly(unit, "f1", n=CHECKPOINT_WINDOWS + 5, odd=(ALARM,))
    assert restarted(unit).state.open.is_alarmed


def test_a_long_flight_is_remembered_in_bounded_memory():
    """At most ``MOST_ROWS`` windows, evenly spread: a level that drifts over the flight is met in its middle."""
    unit = machine(policy=replace(POLICY, flights=1))
    unit.begin(ENGINE, "f1")
    n = 20 * MOST_ROWS
    for number in range(n):
        unit.learn(window(2.0 * number / n, speed=44.0 + 14.0 * number / n), NORMAL)
    unit.begin(ENGINE, "f2")
    assert unit.state.shift[0] == pytest.approx(1.0, abs=0.05)
    assert unit.state.flights[0].windows == n


def test_a_reset_takes_effect_with_the_next_flight_and_outlives_a_restart():
    """Also for units of the training: after an exchange the engine in that place is another one."""
    unit = machine()
    unit.begin("OO-KNO/1", "f1")
    unit.reset()
    assert (unit.state.stage, unit.state.bundle_digest) == (KNOWN, ANY_BUNDLE)
    for again in (unit, restarted(unit)):
        again.begin("OO-KNO/1", "f2")
        assert (again.state.stage, again.state.shift, again.state.bundle_digest) == (COMMISSIONING, (), "d1")


def test_the_same_flights_give_the_same_bytes():
    """State and all."""
    files = []
    for _ in range(2):
        unit = machine()
        for flight in ("f1", "f2", "f3", "f4"):
            fly(unit, flight, n=40)
        files.append(unit.state.to_json())
    assert files[0] == files[1]
    assert UnitState.from_json(files[0], where="state").to_json() == files[0]


def test_taking_a_shift_away_is_moving_the_means():
    """By closed form, to float32 rounding; where nothing shifts, every bit stays."""
    shift = np.array([1.0, -0.5, 0.0])
    values = np.array([[0.3, 7.0, 51.7], [2.0, -3.0, 49.9]], dtype=np.float32)
    moved = replace(SCALER, mean=tuple((np.array(SCALER.mean) + shift * np.array(SCALER.std)).tolist()))
    np.testing.assert_allclose(SCALER.transform(SCALER.without(values, shift)), moved.transform(values), atol=1e-6)
    np.testing.assert_array_equal(SCALER.without(values, shift)[:, 2], values[:, 2])
    np.testing.assert_array_equal(SCALER.without(values, np.zeros(3)), values)


SPOILED = {
    "no object": [],
    "another schema": {"schema": 2},
    "an unknown field": {"more": 1},
    "no flights": {"flights": 0},
    "too many flights": {"flights": 65},
    "a negative limit": {"limits": [-1.0, 1.0, 0.0]},
    "limits of other features": {"limits": [1.0, 0.0]},
    "a threshold of 0": {"pooled": 0.0},
    "a confidence above 1": {"confidence": 1.1},
    "a known shift beyond the limits": {"known": [{"engine": "a/1", "shift": [9.0, 0.0, 0.0]}]},
    "a unit twice": {"known": [{"engine": "a/1", "shift": [0.0, 0.0, 0.0]}] * 2},
    "a text for a number": {"units": "20"},
    "a column that is none": {
        "expected": {"offset": [0.0] * 3, "columns": [3], "low": [0.0], "width": [1.0], "steps": [[0.0] * 3]}
    },
    "a ramp without width": {
        "expected": {"offset": [0.0] * 3, "columns": [2], "low": [0.0], "width": [0.0], "steps": [[0.0] * 3]}
    },
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
def test_impossible_policies_are_refused(change):
    """Each by its field, as an error of the bundle."""
    document = json.loads(POLICY.to_json())
    assert CommissioningPolicy.from_document(document) == POLICY
    with pytest.raises(BundleFormatError, match=r"commissioning\.json") as caught:
        CommissioningPolicy.from_document({**document, **change} if isinstance(change, dict) else change)
    assert caught.value.reason == "commissioning"


def test_a_policy_must_fit_its_features():
    """Their number, and no shift of a condition."""
    POLICY.check(n_feature=3, n_condition=1)
    for n_feature, n_condition in ((4, 1), (3, 2), (3, 0)):
        with pytest.raises(BundleFormatError):
            POLICY.check(n_feature=n_feature, n_condition=n_condition)
    with pytest.raises(BundleFormatError, match="limits: expected 0 for operating conditions"):
        replace(POLICY, limits=(1.0, 1.0, 1.0)).check(n_feature=3, n_condition=1)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema": 1}', b"\xff"])
def test_damaged_states_are_refused(data):
    """A file of a unit that is none."""
    with pytest.raises(UnitStateError, match="where: expected"):
        UnitState.from_json(data, where="where")


def test_a_state_of_another_schema_is_refused():
    """Written by another version."""
    data = new_unit(ENGINE, "d").to_json().replace(b'"schema":1', b'"schema":2')
    with pytest.raises(UnitStateError, match="expected schema 1"):
        UnitState.from_json(data, where="where")
