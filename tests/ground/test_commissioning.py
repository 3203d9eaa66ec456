"""What the ground lets an agent learn: limits and thresholds from rehearsals, and equality with ``ground adapt``."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edge_agent.commissioning_policy import CommissioningPolicy
from edge_agent.scorer import Scorer
from edge_agent.unit_state import KNOWN
from ground.adaptation import shifted, unit_shift
from ground.calibrate import calibrate
from ground.checkpoints import MemoryStore
from ground.commissioning import FEWEST_UNITS, learn_policy
from ground.commissioning_rehearsal import UnknownUnits, engines_of, expected_levels, rehearse_unit, scored
from ground.config import DecisionConfig, ModelConfig
from ground.domain import learn_domain
from ground.learning import learn
from ground.models.detector_module import DetectorModule
from ground.onnx_export import export_onnx
from ground.replay import healthy_flights
from ground.training_loop import LoopRun
from ground.window_table import WindowTable
from shared_features.vector import columns_of
from tests.ground.one_channel import SPEC

IS_LOG = np.array([column.scale == "log" for column in columns_of(SPEC)])
IS_LOG[-1] = False
N_FEATURE = len(IS_LOG)
FLIGHTS = 4
WINDOWS = 24
UNIT_SPREAD = 0.2
ROLES = {"fit": 20, "calibration": 20, "test": 6}
DECISION = DecisionConfig(commissioning_flights=2)


def quiet(_what, _done, _total):
    """A progress that nobody watches."""


def unit_windows(rng, off, *, fault_from=FLIGHTS, fault=0.0):
    """(FLIGHTS * WINDOWS, n_feature): noise about a level that rises with speed, off by unit and fault."""
    speed = np.tile(np.linspace(20.0, 40.0, WINDOWS), FLIGHTS)
    flight = np.repeat(np.arange(FLIGHTS), WINDOWS)
    scaled = 0.05 * rng.standard_normal((len(speed), N_FEATURE)) + 2.0 * np.log(speed / 20.0)[:, None] + off
    scaled += np.where(flight >= fault_from, fault, 0.0)[:, None]
    values = np.where(IS_LOG, np.exp(scaled), scaled)
    values[:, -1] = speed
    return values.astype(np.float32)


def fleet(seed=1, *, faults=()):
    """Units by role, each with a constant of its own; ``faults`` are further units of the test."""
    rng = np.random.default_rng(seed)
    parts, values = [], []
    units = [(role, 0, 0.0) for role, n in ROLES.items() for _ in range(n)] + [("test", *fault) for fault in faults]
    for number, (role, fault_from, fault) in enumerate(units):
        values.append(
            unit_windows(rng, UNIT_SPREAD * rng.standard_normal(N_FEATURE), fault_from=fault_from, fault=fault)
        )
        flight = np.repeat(np.arange(FLIGHTS), WINDOWS)
        start_ns = (np.arange(FLIGHTS * WINDOWS) + 1000 * number) * 10**9
        parts.append(
            pd.DataFrame(
                {
                    "recording_id": [f"u{number:02d}-f{each}" for each in flight], "unit_id": f"u{number:02d}",
                    "group": f"u{number:02d}", "role": role, "phase": "cruise", "reason": "", "outlier": False,
                    "label": np.where((flight >= fault_from) & (fault != 0.0), 1, 0), "fault_type": "",
                    "start_ns": start_ns, "end_ns": start_ns + 10**9,
                }
            )
        )  # fmt: skip
    return WindowTable(pd.concat(parts, ignore_index=True), np.concatenate(values))


@pytest.fixture(scope="module")
def learned():
    """A detector of the fit units."""
    table = fleet()
    fit = table.values[(table.rows["role"] == "fit").to_numpy()]
    run = LoopRun(name="test", seed=7, store=MemoryStore(), resume=False, progress=quiet)
    return learn(SPEC, fit, fit, family="mahalanobis", settings=ModelConfig(), run=run)


@pytest.fixture(scope="module")
def scorer(learned):
    """The agent's scorer of it."""
    return Scorer(export_onnx(learned.module, N_FEATURE), N_FEATURE)


def unknown(learned, scorer, table):
    """The detector with its thresholds for units it does not know, and how they came about."""
    scores = scored(scorer, table.values)
    healthy = (table.rows["label"] == 0).to_numpy() & (table.rows["role"] != "test").to_numpy()
    found = calibrate(
        healthy_flights(table.rows, scores, role="fit", keep_outliers=False),
        healthy_flights(table.rows, scores, role="calibration", keep_outliers=True),
        DECISION,
        seed=0,
    )
    detector = UnknownUnits(
        scaler=learned.scaler,
        expected=expected_levels(learned.module.conditioner),
        score=lambda values: scored(scorer, values),
        thresholds=replace(found.thresholds, domain=learn_domain(SPEC, table.rows[healthy], table.values[healthy])),
    )
    return detector, found.report


def outcome(learned, scorer, table, *, decision=DECISION, engines=None):
    """What is learned of a fleet."""
    detector, report = unknown(learned, scorer, table)
    return detector, learn_policy(table, detector, decision, report, engines or {}, seed=0)


@pytest.fixture(scope="module")
def usual(learned, scorer):
    """What is learned of the fleet; three of its units never moved."""
    return outcome(learned, scorer, fleet(), engines={"u00": "a/0", "u25": "a/25", "u45": "a/45"})


def policy_of(found):
    """The policy in an outcome."""
    return CommissioningPolicy.from_document(json.loads(found.policy_json))


def test_a_fleet_of_different_units_is_worth_commissioning(learned, usual):
    """Known units have a far lower threshold; their healthy flights still raise no more alarms than declared."""
    _, found = usual
    report, policy = found.report, policy_of(found)
    assert report.refusal == ""
    # One of them had a false alarm in one of its four flights.
    assert report.rehearsed_units == ROLES["calibration"]
    assert report.completed_units >= report.rehearsed_units - 1
    assert policy.pooled < 0.6 * report.unknown_pooled
    assert report.known.healthy_flights == ROLES["test"] * (FLIGHTS - 2)
    assert report.known.healthy_alarms <= 1
    assert [unit.engine for unit in policy.known] == ["a/0", "a/25"]
    # Three times what units differ by, in the spreads of a scaler that holds it: 3 to a third.
    limits = np.array(policy.limits)
    assert limits[-1] == 0.0
    np.testing.assert_allclose(limits[:-1] * np.array(learned.scaler.std)[:-1], 3.0 * UNIT_SPREAD, rtol=0.5)
    assert policy.spans == pytest.approx((10.0,))


def test_a_fault_that_begins_later_is_found_where_it_was_not_before(learned, scorer):
    """Three sound flights, then 0.35 in every logarithm: hidden among units, plain against the unit itself."""
    table = fleet(faults=[(3, 0.35)] * 8)
    detector, found = outcome(learned, scorer, table)
    policy = policy_of(found)
    faulty = sorted(set(table.rows["unit_id"]))[-8:]
    flown = [rehearse_unit(part_of(table, unit), policy, detector) for unit in faulty]
    pooled = [rehearse_unit(part_of(table, unit), replace(policy, flights=64), detector) for unit in faulty]
    assert sum(unit.flights[-1].is_alarmed for unit in flown) == len(faulty)
    assert sum(unit.flights[-1].is_alarmed for unit in pooled) < len(faulty) // 2


def test_a_severe_fault_from_the_first_flight_is_never_learned(learned, scorer):
    """Six times what units differ by: an alarm in every flight, and commissioning goes on."""
    table = fleet(faults=[(0, 6.0 * UNIT_SPREAD), (0, -6.0 * UNIT_SPREAD)])
    detector, found = outcome(learned, scorer, table)
    for unit in sorted(set(table.rows["unit_id"]))[-2:]:
        flown = rehearse_unit(part_of(table, unit), policy_of(found), detector)
        assert all(flight.is_alarmed for flight in flown.flights)
        assert flown.state.shift == ()


def test_a_mild_fault_from_the_first_flight_is_learned(learned, scorer):
    """The cost, said in docs/adr/0020: what no threshold for unknown units sees is taken for the unit's own level."""
    table = fleet(faults=[(0, 0.1)] * 4)
    detector, found = outcome(learned, scorer, table)
    units = sorted(set(table.rows["unit_id"]))[-4:]
    flown = [rehearse_unit(part_of(table, unit), policy_of(found), detector) for unit in units]
    assert all(unit.state.stage == KNOWN for unit in flown)
    assert not any(unit.flights[-1].is_alarmed for unit in flown)


def part_of(table, unit):
    """The windows of one unit."""
    chosen = (table.rows["unit_id"] == unit).to_numpy()
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])


def test_what_an_agent_learns_is_what_the_ground_adapts_by(learned, scorer, usual):
    """The same windows give the same shift, and the adapted graph scores as the shifted features do.

    Tolerance of scores: features are rounded to float32 once more on board.
    """
    detector, found = usual
    one_flight = replace(policy_of(found), flights=1, spans=(0.0,), limits=(99.0,) * (N_FEATURE - 1) + (0.0,))
    unit = part_of(fleet(seed=5), "u41")
    flown = rehearse_unit(unit, one_flight, detector)
    by_agent = np.array(flown.state.shift)
    by_ground = unit_shift(learned.module.conditioner, learned.scaler, unit.values[:WINDOWS])
    np.testing.assert_allclose(by_agent, by_ground, atol=1e-9)
    adapted = DetectorModule(shifted(learned.scaler, by_ground), learned.module.core, learned.module.conditioner)
    graph = Scorer(export_onnx(adapted, N_FEATURE), N_FEATURE)
    on_board = scored(scorer, learned.scaler.without(unit.values, by_agent))
    np.testing.assert_allclose(on_board, scored(graph, unit.values), rtol=1e-5)


REFUSED = {
    "nobody asked": (fleet, DecisionConfig(), "decision.commissioning_flights is 0"),
    "too few flights": (
        fleet,
        DecisionConfig(commissioning_flights=FLIGHTS),
        r"with more than 4 flights, got 20 and 0",
    ),
}


@pytest.mark.parametrize(("make", "decision", "text"), REFUSED.values(), ids=REFUSED)
def test_a_bundle_without_grounds_allows_nothing(learned, scorer, make, decision, text):
    """No member, and the reason in the evidence."""
    _, found = outcome(learned, scorer, make(), decision=decision)
    assert found.policy_json == b""
    assert found.report.digest == ""
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found.report.refusal)


def test_few_units_set_no_limits(learned, scorer):
    """Of fewer than ``FEWEST_UNITS``, in the fit or the calibration, nobody knows how much units differ."""
    table = fleet()
    for role in ("fit", "calibration"):
        of_role = (table.rows["role"] == role).to_numpy()
        few = sorted(set(table.rows["unit_id"][of_role]))[: FEWEST_UNITS - 1]
        kept = ~of_role | table.rows["unit_id"].isin(few).to_numpy()
        less = WindowTable(table.rows[kept].reset_index(drop=True), table.values[kept])
        _, found = outcome(learned, scorer, less)
        assert f"expected {FEWEST_UNITS} units" in found.report.refusal


def test_units_cut_by_time_set_no_threshold(learned, scorer):
    """A unit that was fitted to is not a stranger in rehearsal."""
    table = fleet()
    rows = table.rows.copy()
    rows.loc[rows["recording_id"] == "u00-f3", "role"] = "calibration"
    _, found = outcome(learned, scorer, WindowTable(rows, table.values))
    assert "got some in both" in found.report.refusal


def test_known_units_are_not_promised_less_than_others(learned, scorer):
    """A release that keeps its promise to unknown units must not lose it when they become known."""
    table = fleet()
    detector, report = unknown(learned, scorer, table)
    found = learn_policy(table, detector, DECISION, replace(report, insufficient_flights=False), {}, seed=0)
    assert "the bundle would promise less" in found.report.refusal


def test_the_same_fleet_gives_the_same_bytes(learned, scorer, usual):
    """Reproducible, as every member."""
    again = outcome(learned, scorer, fleet(), engines={"u00": "a/0", "u25": "a/25", "u45": "a/45"})
    assert again[1].policy_json == usual[1].policy_json


def test_units_of_the_test_teach_nothing(learned, scorer, usual):
    """Whatever their windows hold and are labelled, the policy has the same bytes; the report counts them."""
    table = fleet()
    of_test = (table.rows["role"] == "test").to_numpy()
    loud = np.where(of_test[:, None], 3.0 * table.values, table.values).astype(np.float32)
    loud[:, -1] = table.values[:, -1]
    changed = WindowTable(table.rows.assign(label=np.where(of_test, 1, table.rows["label"])), loud)
    _, found = outcome(learned, scorer, changed, engines={"u00": "a/0", "u25": "a/25", "u45": "a/45"})
    assert found.policy_json == usual[1].policy_json
    assert found.report.known != usual[1].report.known


def test_windows_of_a_fault_set_no_limit(learned, scorer, usual):
    """A unit of the fit that wears out halfway teaches its healthy flights alone."""
    table = fleet()
    rows = table.rows
    flight = rows["recording_id"].str[-1].astype(int).to_numpy()
    worn = (rows["unit_id"] == "u01").to_numpy() & (flight >= FLIGHTS // 2)
    found = []
    for factor in (3.0, 9.0):
        loud = np.where(worn[:, None], factor * table.values, table.values).astype(np.float32)
        loud[:, -1] = table.values[:, -1]
        changed = WindowTable(rows.assign(label=np.where(worn, 1, rows["label"])), loud)
        found.append(outcome(learned, scorer, changed)[1].policy_json)
    assert found[0] == found[1] != usual[1].policy_json


def test_units_that_move_or_share_a_place_are_not_known_by_it():
    """The agent knows places, not serial numbers."""

    class Info:
        def __init__(self, unit_id, aircraft, engine):
            self.unit_id, self.aircraft, self.engine = unit_id, aircraft, engine

    infos = [
        Info("u1", "a", "1"),
        Info("u1", "a", "1"),
        Info("u2", "a", "2"),
        Info("u2", "b", "2"),
        Info("u3", "c", "1"),
    ]
    assert engines_of([*infos, Info("u4", "c", "1")]) == {"u1": "a/1"}
