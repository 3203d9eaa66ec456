"""Numbers of replayed flights, by hand: by window, by flight, by group, by phase and fault."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from edge_agent.thresholds import Thresholds
from ground.breakdown import breakdown, sensor_faults
from ground.config import load_config
from ground.controls import scoring_controls
from ground.coverage import coverages
from ground.demo.scenario import CONFIGS, EXAMPLE
from ground.detection import flight_numbers, group_fractions, window_numbers
from ground.gates import FAIL, share_gate
from ground.replay import examined, healthy_flights, replay

S = 10**9
K = 2
THRESHOLDS = Thresholds(
    pooled=1.0, phases={"takeoff": 2.0}, k=K, n=3, release_ratio=0.5, false_alarm_rate=0.05, confidence=0.95
)


def flight(name, scores, labels, **columns):
    """Rows of one flight: windows of 2 s every second; a score of None was not assessed."""
    n = len(scores)
    labels = np.array(labels)
    rows = {
        "recording_id": name,
        "group": columns.get("group", name),
        "phase": columns.get("phase", "cruise"),
        "start_ns": np.arange(n) * S,
        "end_ns": (np.arange(n) + 2) * S,
        "label": labels,
        "faulty_share": np.where(labels == 1, 1.0, np.where(labels == -1, 0.5, 0.0)),
        "fault_type": columns.get("fault_type", ""),
        "role": "test",
        "outlier": False,
        "reason": [columns.get("reason", "flatline") if score is None else "" for score in scores],
        "score": [0.0 if score is None else score for score in scores],
    }
    return pd.DataFrame(rows)


def answers(*flights):
    """The replay of some flights."""
    rows = pd.concat(flights, ignore_index=True)
    return replay(rows, rows["score"].to_numpy(dtype=float), THRESHOLDS)


FLEET = (
    # States: normal x 4.
    flight("quiet", [0.1, 0.2, 0.3, 0.4], [0] * 4),
    # Warning, alarm (held by the release ratio), alarm, normal.
    flight("nervous", [1.5, 1.5, 0.4, 0.4, 0.4], [0] * 5),
    # Normal, normal, warning (neither healthy nor faulty), alarm, not assessed, alarm.
    flight("failing", [0.2, 0.2, 3.0, 3.0, None, 3.0], [0, 0, -1, 1, 1, 1], fault_type="ball"),
    # Above the pooled threshold but not above that of takeoff.
    flight("missed", [1.5, 1.5, 1.5], [1] * 3, fault_type="gear", phase="takeoff"),
    # A dead sensor with an alarm before it died.
    flight("dead", [5.0, 5.0, None, None], [0] * 4, fault_type="sensor_flatline"),
)


def test_states_are_the_deciders():
    """Persistence, phases, hysteresis, and what was not assessed leaves the memory alone."""
    result = answers(*FLEET)
    states = {
        name: part["state"].tolist() for name, part in result.rows.assign(state=result.state).groupby("recording_id")
    }
    assert states == {
        "quiet": ["normal"] * 4,
        "nervous": ["warning", "alarm", "alarm", "alarm", "normal"],
        "failing": ["normal", "normal", "warning", "alarm", "not_assessed", "alarm"],
        "missed": ["normal"] * 3,
        "dead": ["warning", "alarm", "not_assessed", "not_assessed"],
    }
    assert result.rows["recording_id"][result.raised].tolist() == ["nervous", "failing", "dead"]
    assert result.threshold[result.rows["phase"] == "takeoff"].tolist() == [2.0] * 3
    assert (result.score[8 + 5], result.threshold[8 + 5]) == (0.0, 0.0)


def test_numbers_by_window():
    """Healthy 11 with 3 alarms, faulty 5 with 2; the sensor, the unlabelled and the unassessed do not count."""
    numbers = window_numbers(answers(*FLEET))
    assert (numbers.healthy, numbers.faulty) == (11, 5)
    assert numbers.false_alarm_rate == pytest.approx(3 / 11)
    assert numbers.recall == pytest.approx(2 / 5)
    assert numbers.precision == pytest.approx(2 / 5)
    assert numbers.f_half == pytest.approx(2 / 5)
    # Ratios of faulty windows: 3, 3, and 0.75 three times; of healthy ones: two of 1.5, nine lower than 0.75.
    assert numbers.auc == pytest.approx((2 * 11 + 3 * 9) / (5 * 11))
    assert dict(numbers.precision_at)[0.01] == pytest.approx(0.01 * 0.4 / (0.01 * 0.4 + 0.99 * 3 / 11))


def test_numbers_by_flight():
    """One of two faulty flights found, one of two healthy ones alarmed."""
    numbers = flight_numbers(answers(*FLEET), k=K, confidence=0.95)
    assert (numbers.faulty_flights, numbers.detected_flights, numbers.recall) == (2, 1, 0.5)
    assert (numbers.healthy_flights, numbers.alarmed_flights, numbers.alarmed_share) == (2, 1, 0.5)
    assert (numbers.true_alarms, numbers.false_alarms, numbers.alarm_precision) == (1, 1, 0.5)
    # 4 windows cover 5 s, 5 cover 6 s, 2 cover 3 s.
    assert numbers.healthy_hours == pytest.approx(14 / 3600)
    assert numbers.false_alarms_per_hour == pytest.approx(3600 / 14)
    assert numbers.alarmed_bounds.upper == pytest.approx(0.9746794, abs=1e-6)


def test_flights_that_cannot_alarm_show_nothing():
    """Two windows are needed for an alarm: one, or none, keeps no promise, however loud it is."""
    deaf = [flight(f"deaf{number}", [None] * 4, [0] * 4) for number in range(60)]
    short = [flight("short", [9.0, None], [0] * 2), flight("just", [9.0, None, 0.1], [0] * 3)]
    fleet = answers(*deaf, *short)
    numbers = flight_numbers(fleet, k=K, confidence=0.95)
    assert (numbers.healthy_flights, numbers.unheard_flights, numbers.alarmed_flights) == (1, 61, 0)
    assert numbers.alarmed_bounds.upper == pytest.approx(0.95)
    assert group_fractions(fleet, k=K).false_alarm_rate.tolist() == [0.0]
    numbers = flight_numbers(answers(*deaf), k=K, confidence=0.95)
    assert (numbers.healthy_flights, numbers.unheard_flights) == (0, 60)
    assert math.isnan(numbers.alarmed_share)


def test_a_false_alarm_counts_in_however_short_a_healthy_time():
    """The only healthy window alarms, since the unlabelled one before it is remembered."""
    fleet = answers(flight("mixed", [3.0, 3.0], [-1, 0]), flight("calm", [3.0, 0.1], [-1, 0]))
    assert group_fractions(fleet, k=K).false_alarm_rate.tolist() == [1.0]


def test_coverage_counts_what_was_not_assessed_and_why():
    """Of sound sensors and labelled windows: silence about a fault is told apart from silence about health."""
    gap = flight("gap", [0.1, None, None, 0.1], [0] * 4, reason="gap")
    found = coverages(answers(*FLEET, gap, flight("off", [None], [0])))
    assert (found.healthy.examined, found.healthy.assessed) == (16, 13)
    assert found.healthy.not_assessed == (("gap", 2), ("flatline", 1))
    assert (found.faulty.examined, found.faulty.assessed, found.faulty.not_assessed) == (6, 5, (("flatline", 1),))
    assert found.faulty.share == pytest.approx(5 / 6)
    assert math.isnan(coverages(answers(FLEET[0])).faulty.share)


def test_delay_runs_from_the_first_faulty_sample():
    """Half of the window from 2 s to 4 s is faulty, so from 3 s; found at the end of the window from 3 s: 5 s."""
    numbers = flight_numbers(answers(*FLEET), k=K, confidence=0.95)
    assert (numbers.delay_median_s, numbers.delay_max_s) == (2.0, 2.0)


def test_nothing_to_measure_is_not_zero():
    """Without faulty flights there is no recall and no delay."""
    numbers = flight_numbers(answers(FLEET[0]), k=K, confidence=0.95)
    assert math.isnan(numbers.recall)
    assert math.isnan(numbers.delay_median_s)
    assert math.isnan(numbers.alarm_precision)
    assert numbers.false_alarms_per_hour == 0.0


def test_gates_count_groups():
    """Flights of one unit are one observation: their windows together, and of false alarms their flights."""
    again = flight("quiet2", [0.1] * 4, [0] * 4, group="quiet")
    fractions = group_fractions(answers(*FLEET, again), k=K)
    assert sorted(fractions.false_alarm_rate) == [0.0, 0.0, 1.0]
    assert sorted(fractions.recall) == pytest.approx([0.0, 2 / 3])
    assert sorted(fractions.precision) == pytest.approx([0.0, 1.0])


def test_silence_about_a_fault_is_a_miss():
    """Half of the fault found, half of it not assessed; only where operation changes is silence by design."""
    scores, labels = [3.0, 3.0, None, None], [1] * 4
    fractions = group_fractions(
        answers(
            flight("flat", scores, labels, fault_type="ball"),
            flight("mute", [None] * 4, labels, fault_type="ball"),
            flight("outside", scores, labels, fault_type="ball", reason="outside_operating_domain"),
            flight("transient", scores, labels, fault_type="ball", reason="transient"),
            flight("turning", scores, labels, fault_type="ball", reason="phase_change"),
            flight("turning_throughout", [None] * 4, labels, fault_type="ball", reason="phase_change"),
        ),
        k=K,
    )
    assert fractions.recall.tolist() == [1 / 4, 0.0, 1 / 4, 1 / 2, 1 / 2, 0.0]


def test_a_flight_inhibited_throughout_is_a_miss_of_its_unit():
    """One of ten faulty flights of a unit is found; the fault of the others makes the speed hunt."""
    found = flight("found", [3.0] * 4, [1] * 4, group="unit", fault_type="ball")
    hunting = [
        flight(f"hunting{number}", [None] * 4, [1] * 4, group="unit", fault_type="ball", reason="transient")
        for number in range(9)
    ]
    assert group_fractions(answers(found, *hunting), k=K).recall == pytest.approx([3 / 40])


def test_the_auc_of_the_gate_weighs_groups_alike():
    """One long flight found, four at chance: by windows nearly perfect, by flights 0.6."""
    healthy = [flight(f"healthy{number}", [0.2, 0.4], [0] * 2) for number in range(5)]
    long = flight("long", [3.0] * 500, [1] * 500)
    fleet = answers(*healthy, long, *(flight(f"missed{number}", [0.2, 0.4], [1] * 2) for number in range(4)))
    assert window_numbers(fleet).auc > 0.99
    assert group_fractions(fleet, k=K).auc == pytest.approx((1 + 4 * 0.5) / 5)


def test_a_false_alarm_counts_its_flight_however_short_it_is():
    """A few windows of four hundred; of a unit that flies four times, one flight; of two hundred units, twenty."""
    long = flight("long", [1.5] * 3 + [0.1] * 397, [0] * 400)
    often = [flight(f"often{number}", [1.5 * (number == 2)] * 4, [0] * 4, group="often") for number in range(4)]
    assert group_fractions(answers(long, *often), k=K).false_alarm_rate.tolist() == [1.0, 1 / 4]
    quiet = [flight(f"quiet{number}", [0.1] * 4, [0] * 4) for number in range(180)]
    loud = [flight(f"loud{number}", [1.5] * 3 + [0.1] * 37, [0] * 40) for number in range(20)]
    rate = group_fractions(answers(*quiet, *loud), k=K).false_alarm_rate
    gate = share_gate("false_alarm_rate", rate, 0.05, higher_is_better=False, confidence=0.95)
    assert (gate.point, gate.n, gate.verdict) == (pytest.approx(0.1), 200, FAIL)


def test_an_alarm_that_outlasts_its_fault_is_no_false_one():
    """Raised in faulty time it may stand a while after the repair; raised before or after, it is false."""
    # Released only when three windows are below half of the threshold.
    repaired = flight("repaired", [0.1, 3.0, 3.0, 0.4, 0.4, 0.4], [0, 1, 1, 0, 0, 0], fault_type="ball")
    begun = flight("begun", [0.1, 3.0, 3.0, 0.4, 0.4, 0.4], [0, -1, -1, 0, 0, 0], fault_type="ball")
    early = flight("early", [3.0, 3.0, 3.0, 3.0], [0, 0, 1, 1], fault_type="ball")
    again = flight("again", [3.0, 3.0, 0.1, 0.1, 0.1, 3.0, 3.0], [1, 1, 0, 0, 0, 0, 0], fault_type="ball")
    result = answers(again, begun, early, repaired)
    assert result.alarm[result.healthy].sum() == 2 + 1 + 2 + 2 + 1
    assert group_fractions(result, k=K).false_alarm_rate.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_silent_groups_are_no_observations_of_the_auc():
    """Two of three faulty groups and three of four healthy ones were heard."""
    fleet = answers(
        *(flight(f"quiet{number}", [0.1] * 4, [0] * 4) for number in range(3)),
        flight("off", [None] * 4, [0] * 4),
        flight("found", [3.0] * 4, [1] * 4),
        flight("half", [3.0, None, None, None], [1] * 4),
        flight("mute", [None] * 4, [1] * 4),
    )
    fractions = group_fractions(fleet, k=K)
    assert (fractions.n_healthy, fractions.n_faulty, len(fractions.recall)) == (3, 2, 3)
    controls = scoring_controls(fleet, load_config(CONFIGS / f"{EXAMPLE}.yaml"))
    assert all("from n=2 " in control.detail for control in controls)


def test_breakdown_by_phase_and_fault():
    """Every phase with every fault that has windows in it, and the sums."""
    table = {(row.phase, row.fault_type): row for row in breakdown(answers(*FLEET), confidence=0.95)}
    assert set(table) == {
        ("all", "healthy"), ("all", "all"), ("all", "ball"), ("all", "gear"),
        ("cruise", "healthy"), ("cruise", "all"), ("cruise", "ball"),
        ("takeoff", "all"), ("takeoff", "gear"),
    }  # fmt: skip
    assert (table["all", "healthy"].groups, table["all", "healthy"].windows) == (3, 11)
    assert table["all", "healthy"].alarmed_share == pytest.approx((0 + 3 / 5 + 0) / 3)
    assert table["cruise", "ball"].auc == 1.0
    assert math.isnan(table["takeoff", "gear"].auc)
    assert math.isnan(table["all", "healthy"].auc)


def test_sensor_faults_are_told_apart():
    """Half of the dead sensor's windows were not assessed, and it raised an alarm."""
    (row,) = sensor_faults(answers(*FLEET))
    assert (row.fault_type, row.flights, row.windows, row.not_assessed, row.alarms) == ("sensor_flatline", 1, 4, 0.5, 1)
    assert row.reasons == (("flatline", 2),)


def test_a_replay_begins_with_the_first_test_window_and_hears_the_unlabelled():
    """What lies before it belongs to other roles; what is unlabelled after it is in the agent's memory."""
    rows = flight("life", [0.0] * 8, [0, 0, -1, 0, 0, -1, 1, 1])
    rows["role"] = ["fit", "calibration", "unused", "unused", "test", "unused", "test", "test"]
    assert examined(rows).tolist() == [False] * 4 + [True] * 4


def test_healthy_flights_of_a_role():
    """Assessed, healthy, of a sound sensor; outliers only where they are asked for."""
    rows = pd.concat([FLEET[0], FLEET[1].assign(outlier=[True] + [False] * 4), *FLEET[2:]], ignore_index=True)
    scores = rows["score"].to_numpy(dtype=float)
    kept = healthy_flights(rows, scores, role="test", keep_outliers=True)
    assert [(one.group, len(one.scores)) for one in kept] == [("failing", 2), ("nervous", 5), ("quiet", 4)]
    fitted = healthy_flights(rows, scores, role="test", keep_outliers=False)
    assert [len(one.scores) for one in fitted] == [2, 4, 4]
    assert kept[1].scores.tolist() == [1.5, 1.5, 0.4, 0.4, 0.4]
    assert healthy_flights(rows, scores, role="fit", keep_outliers=True) == []
