"""Which flights a detector is trained on anew: every rule a row, and the same from the files of a collector."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.config import PreprocessConfig, load_config
from ground.errors import DataError
from ground.fleet.collect.parts import write_parts
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.event import DriftEvent
from ground.fleet.retrain.flown import Flown, read_flown
from ground.fleet.retrain.request import Request, choose
from ground.fleet.retrain.selection import Reason, select
from ground.fleet.verdicts import AlertKey, Entry, FlightKey, Verdict, open_verdicts
from ground.recording_index import parse_row
from ground.workspace import Workspace
from tests.conftest import ROOT
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture

KEY = AlertKey(run="r1", aircraft="OO-ABC", engine="1", flight="F1", seq=3, bundle_digest="ab")
OTHER = replace(KEY, seq=9)
CONFIG = load_config(ROOT / "ground" / "configs" / "engine_vibration.yaml")
FALSE, SURE, OPEN = Verdict.FALSE_ALARM, Verdict.CONFIRMED, Verdict.NEEDS_REVIEW


def row(recording_id="F1", label="healthy", **cells):
    """A row of an index."""
    return {
        "recording_id": recording_id, "file": f"{recording_id}.parquet", "unit_id": "u1", "sampling_rate_hz": "10240",
        "channels": "acc_1", "signal_units": "g", "label": label, "aircraft": "OO-ABC", "engine": "1",
        "flight": recording_id, **cells,
    }  # fmt: skip


def info(tmp_path, **cells):
    """The same, typed."""
    return parse_row(row(**cells), tmp_path)


def flown(*alerts, assessed=5, unexplained=False):
    """What was said of a flight."""
    return Flown(assessed=assessed, alerts=frozenset(alerts), unexplained=unexplained)


def entry(verdict, key=KEY):
    """A verdict."""
    return Entry(key=key, verdict=verdict, by="a", at_ns=0, note="")


@pytest.mark.parametrize(
    ("label", "said", "entries", "reason"),
    [
        ("healthy", None, [], Reason.NOT_FLOWN),
        ("healthy", flown(), [], Reason.QUIET),
        ("healthy", flown(assessed=0), [], Reason.NOT_ASSESSED),
        ("healthy", flown(KEY), [], Reason.ALARMED),
        ("healthy", flown(unexplained=True), [], Reason.ALARMED),
        ("healthy", flown(KEY), [entry(FALSE)], Reason.FALSE_ALARM),
        ("healthy", flown(KEY, OTHER), [entry(FALSE)], Reason.ALARMED),
        ("healthy", flown(KEY, OTHER), [entry(FALSE), entry(FALSE, OTHER)], Reason.FALSE_ALARM),
        ("healthy", flown(KEY, OTHER), [entry(FALSE), entry(OPEN, OTHER)], Reason.NEEDS_REVIEW),
        ("healthy", flown(KEY, OTHER), [entry(SURE), entry(OPEN, OTHER)], Reason.CONFIRMED),
        ("healthy", flown(KEY, unexplained=True), [entry(FALSE)], Reason.ALARMED),
        ("healthy", flown(), [entry(SURE)], Reason.CONFIRMED),
        ("healthy", None, [entry(OPEN)], Reason.NEEDS_REVIEW),
        ("faulty", flown(KEY), [entry(SURE)], Reason.LABELLED),
        ("mixed", None, [], Reason.LABELLED),
    ],
)
def test_each_rule(tmp_path, label, said, entries, reason):
    """Healthy is what is called so and what nobody has reason to doubt."""
    flights = {KEY.flight_key: said} if said else {}
    found = select([info(tmp_path, label=label)], flights, {KEY.flight_key: entries}, left_out=())
    assert [each.reason for each in found.choices] == [reason]
    assert found.left_out == (() if reason.is_taken else ("F1",))
    assert found.healthy == (reason.is_taken and label == "healthy")
    assert sum(found.counts.values()) == 1


def test_what_the_config_leaves_out_stays_out(tmp_path):
    """Whatever was said of it."""
    found = select([info(tmp_path)], {KEY.flight_key: flown()}, {}, left_out=["F1"])
    assert found.counts["configured"] == 1
    assert found.left_out == ("F1",)


@pytest.fixture
def dataset(tmp_path, message):  # noqa: F811 - the fixture
    """Flights of a collector: F1 alarms, F2 is quiet, F3 not assessed, F4's alert is lost."""
    results = [message(seq, flight="F2") for seq in range(3)]
    results += [message(0, flight="F1"), message(3, flight="F1", state="alarm", event="raised")]
    results += [message(0, flight="F3", state="not_assessed", reason="gap")]
    results += [message(1, flight="F4", state="alarm")]
    results += [message(1, flight="F9", aircraft="another")]
    alert = Publication(topic=results[4].topic.replace("result", "alert"), payload=results[4].payload)
    write_parts([*results, alert, alert], tmp_path / "data", name="c-1", date="2026-01-02", topics=TopicsSection())
    return tmp_path / "data"


def test_what_collectors_keep(dataset):
    """Of the aircraft that are asked for; a window that came twice counts once."""
    reading = read_flown(dataset, ["OO-ABC", "not there"])
    said = {key.flight: value for key, value in reading.flights.items()}
    assert said == {
        "F1": flown(KEY, assessed=2),
        "F2": flown(assessed=3),
        "F3": flown(assessed=0),
        "F4": flown(assessed=1, unexplained=True),
    }
    assert reading.skipped == ()


@pytest.fixture
def request_(tmp_path, dataset):
    """A request about five recordings, one of which nobody has flown."""
    workspace = Workspace(tmp_path / "w")
    workspace.raw.mkdir(parents=True)
    rows = [row(f"F{number}") for number in range(1, 6)] + [row("B1", label="faulty")]
    lines = [",".join(rows[0]), *(",".join(each.values()) for each in rows)]
    (workspace.raw / "recordings.csv").write_text("\n".join(lines) + "\n")
    return Request(
        cause=Cause.MANUAL, event=None, config=CONFIG, workspace=workspace, data=dataset,
        verdicts=tmp_path / "verdicts.sqlite",
    )  # fmt: skip


def test_the_record_names_each_recording_and_counts_reasons(request_):
    """A verdict puts a flight back; what decides nothing changes no basis."""
    before = choose(request_)
    assert before.document["counts"] == {
        "labelled": 1, "not_flown": 1, "not_assessed": 1, "quiet": 1, "false_alarm": 0, "alarmed": 2,
        "needs_review": 0, "confirmed": 0, "configured": 0,
    }  # fmt: skip
    assert before.selection.left_out == ("F1", "F4")
    assert before.document["recordings"][0] == {
        "recording_id": "F1", "aircraft": "OO-ABC", "engine": "1", "flight": "F1", "label": "healthy",
        "taken": False, "reason": "alarmed",
    }  # fmt: skip
    open_verdicts(request_.verdicts).record(KEY, Verdict.NEEDS_REVIEW, by="a")
    assert choose(request_).basis == before.basis
    open_verdicts(request_.verdicts).record(KEY, Verdict.FALSE_ALARM, by="a")
    after = choose(request_)
    assert after.selection.left_out == ("F4",)
    assert after.basis != before.basis


def test_what_the_config_leaves_out_has_the_name_of_its_source_too(request_):
    """Import made another name of ``F 5``; the config has the one of the source."""
    index = request_.workspace.raw / "recordings.csv"
    index.write_text(index.read_text().replace("\nF5,", "\nF 5,"))
    config = CONFIG.model_copy(update={"preprocess": PreprocessConfig(leave_out=("F 5", "F2", "none"))})
    chosen = choose(replace(request_, config=config))
    assert chosen.document["counts"]["configured"] == 2
    assert {name[:2] for name in chosen.selection.left_out} == {"F1", "F2", "F4", "F_"}


def test_without_a_dataset_labels_decide(request_):
    """Nothing flies yet."""
    chosen = choose(replace(request_, data=None, verdicts=None))
    assert chosen.document["counts"]["not_flown"] == 5
    assert chosen.document["flights_without_recording"] == 0


def test_a_file_that_cannot_be_read_may_hold_an_alarm(request_, dataset):
    """So nothing is trained before a person has looked at it."""
    (damaged,) = (dataset / "alert").rglob("*.parquet")
    damaged.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"expected files that can be read, got 1 that cannot, whose alarms are not"):
        choose(request_)


@pytest.mark.parametrize("kinds", [(), ("drift", "alert")])
def test_a_dataset_without_results_is_not_the_fleets(request_, tmp_path, kinds):
    """A disk that is not mounted would make healthy flights of alarmed ones."""
    for kind in kinds:
        (tmp_path / "empty" / kind / "aircraft=OO-ABC" / "date=2026-01-02").mkdir(parents=True)
    (tmp_path / "empty").mkdir(exist_ok=True)
    with pytest.raises(DataError, match="--data: expected a dataset with results, got none in"):
        choose(replace(request_, data=tmp_path / "empty"))


def test_a_dataset_without_the_flights_of_the_event_is_another_one(request_):
    """One of them is enough: results may come late."""
    flights = [FlightKey("OO-ABC", "1", "F8"), FlightKey("OO-XYZ", "1", "F1"), FlightKey("OO-ABC", "2", "F1")]
    event = DriftEvent("aa", "d/1.0.0", "ab", frozenset(flights))
    with pytest.raises(DataError, match="--data: expected results of the 3 flights of --event, got none of them"):
        choose(replace(request_, event=event))
    choose(replace(request_, event=replace(event, flown=event.flown | {KEY.flight_key})))


def test_no_healthy_flight_is_no_training(request_):
    """It says what became of them."""
    index = request_.workspace.raw / "recordings.csv"
    lines = index.read_text().splitlines()
    index.write_text("\n".join([lines[0], lines[1], lines[4]]) + "\n")
    with pytest.raises(DataError, match=r"expected healthy flights to train on, got none \(2 alarmed\); give verdicts"):
        choose(request_)


def test_flights_without_a_recording_are_counted(request_):
    """Of the aircraft in the index."""
    index = request_.workspace.raw / "recordings.csv"
    index.write_text("\n".join(index.read_text().splitlines()[:3]) + "\n")
    chosen = choose(request_)
    assert chosen.document["flights_without_recording"] == 2
    assert chosen.document["flights_with_recording"] == 2
    assert FlightKey("another", "1", "F9") not in {each.flight for each in chosen.selection.choices}
