"""Shadow reports: which flights differ, what follows, and from the files of a collector to an exit code."""

from __future__ import annotations

import json
import sys
import time

import msgpack
import pandas as pd
import pyarrow as pa
import pytest

from edge_agent.decision import ALARM, NORMAL, NOT_ASSESSED
from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.cli import main
from ground.errors import DataError
from ground.fleet.collect.parts import write_parts
from ground.fleet.flight_ends import FlightEnd, read_ends, under_way
from ground.fleet.shadow_report import COLUMNS, Rule, Verdict, compare
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture

RULE = Rule(limit=0.1, confidence=0.9)
N = NORMAL
A = ALARM
O = NOT_ASSESSED  # noqa: E741 - a column of states reads as a picture


def table(flights, bundle=("d/1.0.0", "aa"), phase="cruise"):
    """Windows of flights, by name: a state each; ``None`` for one that is missing."""
    rows = [
        {
            "run": "r", "aircraft": "A", "engine": "1", "flight": flight, "end_ns": 10 * index, "phase": phase,
            "state": state, "score": {N: 0.5, A: 2.0, O: 0.0}[state], "threshold": 0.0 if state == O else 1.0,
            "bundle_id": bundle[0], "bundle_digest": bundle[1],
        }
        for flight, states in flights.items()
        for index, state in enumerate(states)
        if state is not None
    ]  # fmt: skip
    types = {name: pa.string() for name in COLUMNS} | {
        "end_ns": pa.int64(),
        "score": pa.float64(),
        "threshold": pa.float64(),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, types[name]) for name in COLUMNS]))


def report(active, shadow, rule=RULE):
    """Of flights as above."""
    return compare(table(active), table(shadow, ("d/2.0.0", "bb")), rule, quiet_h=0.0)


def test_flights_that_differ_are_named():
    """With the window in which the alarm begins, and how strange the flight was to each."""
    found = report(
        {"F1": [N, N, N], "F2": [N, A, A], "F3": [N, N, N], "F4": [A, A, A]},
        {"F1": [N, N, N], "F2": [N, N, N], "F3": [N, A, A], "F4": [N, N, A]},
    )
    assert [(each.flight, each.end_ns, each.ratio_shadow, each.ratio_active) for each in found.gained] == [
        ("F3", 10, 2.0, 0.5)
    ]
    assert [(each.flight, each.end_ns) for each in found.lost] == [("F2", 10)]
    assert (found.flights, found.engines, found.both, found.flights_left_out) == (4, 1, 1, 0)
    assert found.by_phase == {"cruise": {"both_alarm": 1, "both_normal": 5, "only_active": 4, "only_shadow": 2}}
    assert found.shadow == ("d/2.0.0", "bb")
    assert found.active == (("d/1.0.0", "aa"),)


def test_windows_are_named_to_the_nanosecond():
    """Beyond 2^53, beside flights without an alarm."""
    end_ns = 1_764_374_400_123_456_789
    sides = [
        table({"F1": [N], "F2": [state]}, bundle) for state, bundle in ((N, ("d/1.0.0", "aa")), (A, ("d/2.0.0", "bb")))
    ]
    ends = pa.array([end_ns, end_ns], pa.int64())
    active, shadow = (each.set_column(COLUMNS.index("end_ns"), "end_ns", ends) for each in sides)
    assert [each.end_ns for each in compare(active, shadow, RULE, quiet_h=0.0).gained] == [end_ns]


def test_a_shadow_that_saw_too_little_does_not_count():
    """Half of what the active detector assessed must have been assessed by both; silence is no agreement."""
    found = report(
        {"F1": [N, N, N, N], "F2": [N, N, N, N], "F3": [O, O, O, O], "F4": [N, N, N, N]},
        {"F1": [N, None, None, None], "F2": [N, N, None, None], "F3": [N, N, N, N], "F4": [O, O, N, O]},
    )
    assert (found.flights, found.flights_left_out) == (1, 3)
    assert found.by_phase == {"cruise": {"assessed_by_one": 12, "both_normal": 4}}


def elsewhere(table, engine):
    """The same windows, of another engine."""
    return table.set_column(table.schema.get_field_index("engine"), "engine", pa.array([engine] * len(table)))


def test_what_flies_elsewhere_counts_nowhere():
    """Another detector on other engines, and what an engine flew before the shadow came, decided nothing here."""
    active = pa.concat_tables(
        [
            table({"F1": [N, N]}),
            table({"F0": [N, A]}, ("d/0.9.0", "zz")),
            elsewhere(table({"F1": [A, A], "F7": [N]}, ("pump/7.0.0", "pp")), "2"),
        ]
    )
    found = compare(active, table({"F1": [N, N]}, ("d/2.0.0", "bb")), RULE, quiet_h=0.0)
    assert found.active == (("d/1.0.0", "aa"),)
    assert (found.flights, found.flights_left_out, len(found.lost)) == (1, 1, 0)


def test_two_that_decided_in_flights_of_the_shadow_are_both_named():
    """Promotion refuses such a report: it compares with neither."""
    active = pa.concat_tables([table({"F1": [N]}), table({"F2": [N]}, ("d/0.9.0", "zz"))])
    found = compare(active, table({"F1": [N], "F2": [N]}, ("d/2.0.0", "bb")), RULE, quiet_h=0.0)
    assert found.active == (("d/0.9.0", "zz"), ("d/1.0.0", "aa"))


def many(n, alarms=0):
    """So many flights, the first of which alarm."""
    return {f"F{number:04d}": [A if number < alarms else N] for number in range(n)}


@pytest.mark.parametrize(
    ("n", "extra", "verdict"),
    [
        (3, 0, Verdict.GO_ON),
        (500, 0, Verdict.READY),
        (500, 10, Verdict.READY),
        (500, 45, Verdict.GO_ON),
        (500, 120, Verdict.WORSE),
        (8, 8, Verdict.WORSE),
    ],
)
def test_verdicts(n, extra, verdict):
    """Ready and worse are said only where the bounds allow no other answer."""
    found = report(many(n), many(n, extra))
    assert found.verdict is verdict
    low, high = found.gained_bounds
    assert low <= extra / n <= high
    assert bool(found.flights_needed) == (verdict is Verdict.GO_ON)


def test_flights_needed_are_enough():
    """Should extra alarms stay as rare."""
    needed = report(many(3), many(3)).flights_needed
    assert report(many(needed), many(needed)).verdict is Verdict.READY
    assert report(many(needed - 1), many(needed - 1)).verdict is Verdict.GO_ON


def test_as_frequent_as_may_be_needs_no_number():
    """No number of flights would show it."""
    found = report(many(20), many(20, 2))
    assert (found.verdict, found.flights_needed) == (Verdict.GO_ON, 0)


def test_results_of_several_shadows_are_refused():
    """One at a time: they are named."""
    both = pa.concat_tables([table(many(2), ("d/2.0.0", "bb")), table(many(2), ("d/3.0.0", "cc"))])
    with pytest.raises(DataError, match=r"expected those of one bundle, got d/2\.0\.0 bb, d/3\.0\.0 cc; choose"):
        compare(table(many(2)), both, RULE)
    with pytest.raises(DataError, match="got none"):
        compare(table(many(2)), table({}), RULE)


HOURS = 3_600 * 10**9


def at(table, **end_h):
    """The same windows, those of a flight at an hour of their own."""
    ends = [round(end_h[each["flight"]] * HOURS) + each["end_ns"] for each in table.to_pylist()]
    return table.set_column(table.schema.get_field_index("end_ns"), "end_ns", pa.array(ends, pa.int64()))


def end(flight, windows, run="r"):
    """A summary of a flight."""
    return FlightEnd(run=run, aircraft="A", engine="1", flight=flight, windows=windows)


def test_flights_under_way_wait():
    """Until a summary tells of no window that is not here, or they are silent for long; then their alarms count."""
    active = at(table({"F1": [N, N], "F2": [N, N], "F3": [N, N]}), F1=0, F2=20, F3=30)
    shadow = at(table({"F1": [N, N], "F2": [N, A], "F3": [A, A]}, ("d/2.0.0", "bb")), F1=0, F2=20, F3=30)

    def seen(*ends):
        found = compare(active, shadow, RULE, ends=ends, quiet_h=24.0)
        return found.flights, [each.flight for each in found.gained], found.flights_under_way

    assert seen() == (1, [], 2)
    assert seen(end("F3", 2)) == (2, ["F3"], 1)
    assert seen(end("F3", 3)) == (1, [], 2)
    assert seen(end("F3", 1), end("F3", 3)) == (1, [], 2)
    assert seen(end("F2", 2), end("F3", 2), end("F4", 1)) == (3, ["F2", "F3"], 0)
    assert seen(end("F3", 2, run="another")) == (1, [], 2)


def test_a_clock_that_is_ahead_ends_no_flight():
    """A window of the next century makes no other one old."""
    now_ns = time.time_ns()
    windows = pd.DataFrame(
        [("r", "A", "1", "F1", now_ns - HOURS, True), ("r", "B", "1", "F2", now_ns + 10**6 * HOURS, True)],
        columns=["run", "aircraft", "engine", "flight", "end_ns", "heard"],
    )
    assert list(under_way(windows, (), quiet_h=24.0)["flight"]) == ["F1", "F2"]
    assert list(under_way(windows, (), quiet_h=24.0, now_ns=now_ns + 30 * HOURS)["flight"]) == ["F2"]


def test_a_flight_of_two_runs_is_over_when_both_are():
    """The agent was restarted on the way."""
    both = []
    for one in (table({"F1": [N, N]}), table({"F1": [N, N]}, ("d/2.0.0", "bb"))):
        other = one.set_column(one.schema.get_field_index("run"), "run", pa.array(["s"] * len(one)))
        both.append(pa.concat_tables([one, other]))
    assert compare(*both, RULE, ends=[end("F1", 2)]).flights_under_way == 1
    assert compare(*both, RULE, ends=[end("F1", 2), end("F1", 2, run="s")]).flights_under_way == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": 2},
        {"windows": -1},
        {"windows": True},
        {"windows": "2"},
        {"flight": 7},
        {"run": None},
        {"engine": ...},
    ],
)
def test_what_is_no_summary(changed):
    """It is counted, and said; the others are read."""
    document = {"schema": 1, "run": "r", "aircraft": "A", "engine": "1", "flight": "F1", "windows": 2}
    whole = bytes(msgpack.packb(document))
    document = {name: value for name, value in {**document, **changed}.items() if value is not ...}
    ends, faults = read_ends([whole, bytes(msgpack.packb(document)), b"", b"\xc1"])
    assert (ends, faults) == ((end("F1", 2),), 3)


def test_summaries_are_read_from_the_dataset(ask):
    """By default a flight whose summary has not come waits a day."""
    document = {"schema": 1, "run": "r1", "aircraft": "OO-ABC", "engine": "1", "flight": "F1", "windows": 1}
    summaries = [
        Publication(topic="aircraft/OO-ABC/engine/1/flight", payload=bytes(msgpack.packb({**document, **changed})))
        for changed in ({}, {"flight": "F2"}, {"schema": 9})
    ]
    _, said, notes = ask(3, summaries=summaries)
    assert "2 flights of 1 engines seen by both" in said
    assert "1 under way wait" in said
    assert "1 summaries of flights left out" in notes


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path, message):  # noqa: F811 - the fixture
    """Writes a dataset of flights, asks for the report; gives exit code, output and errors."""

    def run(flights, *options, summaries=()):
        batch = list(summaries)
        for seq in range(flights):
            window = message(seq, flight=f"F{seq}")
            batch.append(window)
            other = message(seq, flight=f"F{seq}", bundle_id="d/2.0.0", bundle_digest="bb")
            batch.append(Publication(topic=window.topic.replace("result", "shadow"), payload=other.payload))
        write_parts(batch, tmp_path / "data", name="c-1", date="2026-01-02", topics=TopicsSection())
        monkeypatch.setattr(
            sys, "argv", ["ground", "shadow", "report", "--data", str(tmp_path / "data"), *map(str, options)]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_from_a_dataset_to_an_exit_code(ask, tmp_path):
    """0 when it is ready, 3 when not; the JSON holds what was printed."""
    code, said, _ = ask(5, "--quiet", 0, "--out", tmp_path / "report.json")
    assert code == 3
    assert "5 flights of 1 engines seen by both" in said
    assert "verdict: go_on" in said
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["verdict"], document["flights"], document["schema"]) == ("go_on", 5, 2)
    code, said, _ = ask(400, "--bundle", "bb", "--quiet", 0)
    assert code == 0
    assert "verdict: ready" in said
    code, said, _ = ask(0, "--bundle", "bb", "--quiet", 0, "--json")
    assert (code, json.loads(said)["verdict"]) == (0, "ready")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--bundle", "d/9.0.0"), "expected those of one bundle, got none"),
        (("--since", "yesterday"), "--since: expected YYYY-MM-DD, got 'yesterday'"),
        (("--data", "nowhere"), "nowhere: expected the folder of a dataset"),
    ],
)
def test_bad_input_is_named(ask, options, said):
    """And exits with 2."""
    code, _, errors = ask(2, *options)
    assert (code, said in errors) == (2, True)


@pytest.mark.parametrize("kind", ["shadow", "result"])
def test_a_file_that_cannot_be_read_is_no_evidence(ask, tmp_path, kind):
    """It may hold the alarms of the shadow, or of the detector that decides."""
    assert ask(400, "--quiet", 0)[0] == 0
    (damaged,) = (tmp_path / "data" / kind).rglob("*.parquet")
    (damaged.parent / "b.parquet").write_bytes(damaged.read_bytes()[:1000])
    code, said, errors = ask(0, "--quiet", 0)
    assert (code, said) == (2, "")
    assert "b.parquet" in errors
    assert "may hold alarms: leave its day out (--since, --until), or remove it" in errors
