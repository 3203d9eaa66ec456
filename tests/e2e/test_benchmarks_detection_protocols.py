"""Protocols of the detection benchmark: who trains, who is examined, and that they share no sample."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from benchmarks.detection import protocols
from benchmarks.detection.conditions import NO_LEVEL, levels_of
from benchmarks.detection.protocols import BETWEEN, OUTSIDE, Case, cases_of, check_apart
from benchmarks.detection.roster import FULL, QUICK, contenders, takes_part
from edge_agent.frame import NS_PER_S
from ground.errors import SplitError

WINDOW_S, HOP_S = 1.0, 0.5


def recording(name, labels, **columns):
    """Windows of 1 s every 0.5 s; ``labels`` one a window: h healthy, f faulty, . neither."""
    n = len(labels)
    start_ns = (np.arange(n) * HOP_S * NS_PER_S).astype(np.int64)
    given = {
        "unit_id": "u1", "kind": "healthy", "speed_rpm": "", "load": "", "condition": "", "fault_type": "",
        "severity": "", "reason": "", "phase": "steady", "outlier": False, "dataset": "", "flight": name, **columns,
    }  # fmt: skip
    return pd.DataFrame(
        {
            "recording_id": name,
            "start_ns": start_ns,
            "end_ns": start_ns + int(WINDOW_S * NS_PER_S),
            "label": [{"h": 0, "f": 1, ".": -1}[sign] for sign in labels],
            "faulty_share": [1.0 if sign == "f" else 0.0 for sign in labels],
        }
    ).assign(**given)


def together(*parts):
    """One table."""
    return pd.concat(parts, ignore_index=True)


def signs(case):
    """One sign a window: T trained on, x examined, - neither."""
    return "".join("T" if train else "x" if test else "-" for train, test in zip(case.train, case.test, strict=True))


HEALTHY = recording("h1", "h" * 20)
BENCH = together(
    *(
        recording(f"h{rpm}{unit}", "h" * 20, speed_rpm=str(rpm), unit_id=unit)
        for rpm in (600, 900, 1200)
        for unit in ("u1", "u2")
    ),
    *(recording(f"f{rpm}", "f" * 20, speed_rpm=str(rpm), unit_id="u3", kind="faulty") for rpm in (600, 900)),
)
LIFE = recording("life", "...hhhhhhhhhhhhhhhh....ffff", kind="run_to_failure")
MIXED = recording("mixed", "hhhhhhhhhhhhhhhhhhhh.fff.hhhhff", kind="mixed")


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        # 12 of 20 windows train; the last ends at 6.5 s; one window's span later, from 7.5 s on, is examined.
        ("healthy", HEALTHY, "T" * 12 + "---" + "xxxxx"),
        # Unlabelled running-in neither trains nor is examined: 9 of 16 healthy windows train.
        ("life", LIFE, "---" + "T" * 9 + "---" + "x" * 12),
        # Healthy time after a fault is examined, never trained on.
        ("mixed", MIXED, "T" * 12 + "---" + "x" * 16),
        ("faulty", together(HEALTHY, recording("f", "ffff", kind="faulty")), "T" * 12 + "---" + "x" * 9),
    ],
)  # fmt: skip
def test_later_time(name, rows, expected):
    """By hand: guard, running-in, and healthy time after a fault."""
    (case,) = protocols.later_time(rows)
    assert signs(case) == expected, name


def test_recordings_too_short_to_be_cut_are_dealt_whole():
    """Of recordings with no room for a guard, three of five train, whole, and neighbours go to both sides."""
    rows = together(*(recording(f"r{number}", "hhh") for number in range(5)))
    (case,) = protocols.later_time(rows)
    assert signs(case) == "TTTTTTxxxTTTxxx"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # The third healthy window ends at 2 s; its guard would reach into the fault, which begins at 2.5 s.
        ("hhh..f", "TT---x" * 2 + "xxxxxx"),
        ("hhh..ff", "TT---xx" * 2 + "xxxxxxx"),
        ("hhh....ff", "TTT---xxx" * 2 + "xxxxxxxxx"),
        ("hff", "xxx" * 3),
    ],
)
def test_faults_of_a_short_recording_that_trains_are_examined(labels, expected):
    """Dealing a recording whole loses no fault, nor its first window, from which the delay counts."""
    rows = together(*(recording(f"m{number}", labels, kind="mixed") for number in range(3)), recording("z", "h" * 20))
    (case,) = protocols.later_time(rows)
    assert signs(case)[: 3 * len(labels)] == expected


def test_life_is_commissioned_on_its_own_first_half():
    """And nobody else takes part."""
    rows = together(LIFE, HEALTHY)
    (case,) = protocols.run_to_failure(rows)
    assert case.name == "life"
    assert signs(case) == "---" + "T" * 8 + "---" + "x" * 13 + "-" * 20


def test_left_out_speed():
    """Each speed once, with its place among the others."""
    cases = protocols.left_out(BENCH, name="speed", most=6)
    assert [(case.name, case.position) for case in cases] == [("600", OUTSIDE), ("900", BETWEEN), ("1200", OUTSIDE)]
    speed = BENCH["speed_rpm"]
    for case in cases:
        assert set(speed[case.train]) == {"600", "900", "1200"} - {case.name}
        assert set(speed[case.test]) == {case.name}
        assert (BENCH["label"][case.train] == 0).all()
    assert set(BENCH["label"][cases[0].test]) == {0, 1}


def test_left_out_unit():
    """The healthy units leave one after the other; faults of a third one are examined with each."""
    cases = protocols.left_out_unit(BENCH, most=6)
    assert [case.name for case in cases] == ["u1", "u2"]
    assert set(BENCH["unit_id"][cases[0].train]) == {"u2"}
    assert set(BENCH["unit_id"][cases[0].test]) == {"u1", "u3"}


def test_faults_of_units_that_train_are_no_strangers():
    """A unit without a fault is examined beside faults of units never heard; one that has healthy time is known."""
    rows = together(
        *(recording(f"h{unit}", "hhhh", unit_id=unit) for unit in ("u1", "u2", "u3")),
        recording("fu1", "ffff", unit_id="u1", kind="faulty"),
        recording("fu4", "ffff", unit_id="u4", kind="faulty"),
    )
    asked = {
        case.name: set(rows["recording_id"][case.test & (rows["label"] == 1).to_numpy()])
        for case in protocols.left_out_unit(rows, most=6)
    }
    assert asked == {"u1": {"fu1"}, "u2": {"fu4"}, "u3": {"fu4"}}


def test_at_most_so_many_are_left_out():
    """Evenly spread, both ends among them."""
    rows = together(*(recording(f"h{load}", "h" * 6, load=f"{load} Nm") for load in range(10, 100, 10)))
    cases = protocols.left_out(rows, name="load", most=3)
    assert [case.name for case in cases] == ["10 Nm", "50 Nm", "90 Nm"]


@pytest.mark.parametrize(
    ("name", "make", "rows", "message"),
    [
        ("too few speeds", partial(protocols.left_out, name="speed", most=6), HEALTHY, "at least 3 values"),
        ("one unit", partial(protocols.left_out_unit, most=6), HEALTHY, "at least 2 units"),
        ("no life", protocols.run_to_failure, HEALTHY, "expected a life"),
        ("nothing healthy", protocols.later_time, recording("f", "ffff", kind="faulty"), "both sides of a cut"),
        ("one short recording", protocols.later_time, recording("h", "hh"), "both sides of a cut"),
    ],
)
def test_a_protocol_that_cannot_run_says_why(name, make, rows, message):
    """In one sentence."""
    with pytest.raises(SplitError, match=message):
        make(rows)
    assert name


@pytest.mark.parametrize("rows", [HEALTHY, LIFE, MIXED, BENCH, together(LIFE, MIXED, BENCH)])
def test_no_sample_is_trained_on_and_examined(rows):
    """Window by window: no train window of a recording shares time with an examined one."""
    found = cases_of(rows, most_left_out=6)
    assert found.cases
    for case in found.cases:
        assert not (case.train & case.test).any()
        assert (rows["label"][case.train] == 0).all()
        for _, part in rows.groupby("recording_id"):
            train, test = (part[mask[part.index]] for mask in (case.train, case.test))
            for _, window in train.iterrows():
                shared = (test["start_ns"] < window["end_ns"]) & (test["end_ns"] > window["start_ns"])
                assert not shared.any()


def test_a_shared_sample_is_refused():
    """Even where a protocol would have made it."""
    train = np.arange(len(HEALTHY)) < 10
    with pytest.raises(SplitError, match="no sample of h1"):
        check_apart(HEALTHY, Case("later_time", "", train, ~train))


@pytest.mark.parametrize(
    ("name", "texts", "level", "is_ordered"),
    [
        ("numbers by value", ["1000", "800", "", "1000.0"], [1, 0, NO_LEVEL, 1], True),
        ("nearly the same speed is one", ["1000", "1015", "1200"], [0, 0, 1], True),
        ("units after the number", ["4000 N", "none", "5000 N"], [1, 0, 2], True),
        ("several numbers are a name", ["0 Nm (3 V)", "10 Nm (3 V)"], [0, 1], False),
        ("words", ["idle power", "cruise"], [1, 0], False),
    ],
)
def test_levels(name, texts, level, is_ordered):
    """Cells of an index as levels."""
    rows = pd.DataFrame({"load": texts, "speed_rpm": "", "condition": ""})
    found = levels_of(rows, "load")
    assert found.level.tolist() == level, name
    assert found.is_ordered is is_ordered


def test_a_condition_in_words_counts_where_neither_speed_nor_load_is_stated():
    """Else it repeats them."""
    rows = pd.DataFrame({"load": "", "speed_rpm": "", "condition": ["a", "b"]})
    assert levels_of(rows, "condition").level.tolist() == [0, 1]
    assert levels_of(rows.assign(load="3"), "condition").level.tolist() == [NO_LEVEL, NO_LEVEL]


@pytest.mark.parametrize(
    ("effort", "protocol", "expected"),
    [
        (FULL, "later_time", {"default", "mahalanobis", "autoencoder", "pyod:KNN", "rms"}),
        (FULL, "left_out_speed", {"default", "mahalanobis", "pyod:KNN", "rms"}),
        (QUICK, "later_time", {"default", "mahalanobis", "pyod:KNN", "rms"}),
        (QUICK, "run_to_failure", {"default", "rms"}),
    ],
)
def test_who_takes_part(effort, protocol, expected):
    """The default and the baselines always; who is slow, where it is told."""
    case = Case(protocol, "", np.ones(1, dtype=bool), np.zeros(1, dtype=bool))
    asked = {"default", "mahalanobis", "autoencoder", "pyod:KNN", "rms"}
    assert {each.name for each in contenders(effort) if takes_part(each, case, effort)} & asked == expected
