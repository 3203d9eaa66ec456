"""Runs of retraining on disk, events, versions and the config of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from ground.config import load_config
from ground.errors import ConfigError, DataError
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.derived import next_version, write_config
from ground.fleet.retrain.event import read_event
from ground.fleet.retrain.ledger import Ledger, Run, State
from ground.fleet.retrain.selection import Choice, Reason, Selection
from ground.fleet.verdicts import FlightKey
from ground.workspace import Workspace
from tests.conftest import ROOT

EVENT = {
    "schema": 1, "event": "drift", "outcome": "drift", "bundle_id": "d/1.0.0", "bundle_digest": "ab" * 32,
    "p": 0.0002, "flown": [{"engine": "A/1", "flight": "F1"}],
}  # fmt: skip
RUN = Run(
    name="manual-x", cause="manual", event="", detector="d", fleet="west", version="1.1.0", sequence=2,
    begun="2026-01-01T00:00:00Z", basis="aa", state="open",
)  # fmt: skip
NOW = datetime(2026, 11, 28, 23, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    """An empty one."""
    return Ledger(Workspace(tmp_path))


@pytest.fixture
def event_file(tmp_path):
    """Writes an event, changed."""

    def write(name="event.json", *, indent=None, **changes):
        path = tmp_path / name
        path.write_text(json.dumps(EVENT | changes, indent=indent))
        return path

    return write


def test_the_same_event_is_the_same_however_it_is_written(event_file):
    """What it says counts."""
    event = read_event(event_file())
    assert (event.bundle_id, event.bundle_digest, event.detector) == ("d/1.0.0", "ab" * 32, "d")
    assert event.flown == {FlightKey("A", "1", "F1")}
    assert read_event(event_file("again.json", indent=2)) == event
    assert read_event(event_file("other.json", p=0.001)).digest != event.digest


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"schema": 2}, r"expected an event of `ground drift`, schema 1, got \{'schema': 2"),
        ({"event": "birthday"}, "'event': 'birthday'"),
        ({"outcome": "steady"}, "'outcome': 'steady'"),
        ({"bundle_id": 7}, "a bundle without a name"),
        ({"bundle_digest": ""}, "a bundle without a name"),
        ({"bundle_id": "d/\x1b[2J"}, "a bundle without a name"),
        ({"flown": [{"engine": "A", "flight": "F1"}]}, "a flight without aircraft, engine and name"),
        ({"flown": [{"engine": "A/1", "flight": 1}]}, "a flight without aircraft, engine and name"),
        ({"flown": [{"engine": "A/1"}]}, "got 'flight'"),
        ({"flown": None}, "not iterable"),
    ],
)
def test_what_is_no_event_is_refused(event_file, changes, text):
    """With what was found."""
    with pytest.raises(DataError, match=text):
        read_event(event_file(**changes))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"schema": 1, "schema": 1}', b"null"])
def test_files_of_another_kind(tmp_path, content):
    """No traceback of a parser."""
    path = tmp_path / "e.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected an event of `ground drift`"):
        read_event(path)
    with pytest.raises(DataError, match="expected a file of `ground drift --out`"):
        read_event(tmp_path / "none.json")


def test_names_of_runs(ledger, event_file):
    """The same event and the same quarter are the same run; a manual one is gone on with while it is open."""
    event = read_event(event_file())
    assert ledger.name_of(Cause.DRIFT, event, "d", "west", NOW) == f"drift-{event.digest[:12]}"
    assert ledger.name_of(Cause.SCHEDULE, None, "d", "west", NOW) == "schedule-d-west-2026Q4"
    assert (
        ledger.name_of(Cause.SCHEDULE, None, "d", "west", datetime(2027, 1, 1, tzinfo=UTC)) == "schedule-d-west-2027Q1"
    )
    fresh = ledger.name_of(Cause.MANUAL, None, "d", "west", NOW)
    assert fresh == "manual-d-west-20261128T230000.000000Z"
    ledger.write(RUN, State.OPEN)
    assert ledger.name_of(Cause.MANUAL, None, "d", "west", NOW) == RUN.name
    ledger.write(RUN, State.DONE)
    assert ledger.name_of(Cause.MANUAL, None, "d", "west", NOW) == fresh


def test_detectors_of_one_workspace_have_their_own_runs(ledger):
    """The quarter of one is not that of another, and nobody goes on with another's; nor do two fleets of one."""
    ledger.write(RUN, State.OPEN)
    assert ledger.name_of(Cause.MANUAL, None, "e", "west", NOW) == "manual-e-west-20261128T230000.000000Z"
    assert ledger.name_of(Cause.MANUAL, None, "d", "east", NOW) == "manual-d-east-20261128T230000.000000Z"
    pairs = [("d", "west"), ("d", "east"), ("e", "west")]
    assert len({ledger.name_of(Cause.SCHEDULE, None, *pair, NOW) for pair in pairs}) == 3


def test_a_run_comes_back_as_it_was(ledger):
    """And says how far it is."""
    assert ledger.find(RUN.name) == ()
    ledger.write(RUN, State.NOT_RELEASED)
    (run,) = ledger.find(RUN.name)
    assert run.state == "not_released"
    assert run.bundle_id == "d/1.1.0"
    assert ledger.runs() == (run,)


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', '{"schema": 1, "name": "x"}', "[1]"])
def test_a_damaged_run_is_not_begun_anew_by_itself(ledger, content):
    """It may have offered something."""
    ledger.write(RUN, State.OPEN)
    (ledger.path(RUN.name) / "run.json").write_text(content)
    with pytest.raises(DataError, match="expected the record of a retraining"):
        ledger.find(RUN.name)


def test_a_run_that_names_no_fleet_is_of_that_of_its_config(ledger):
    """Runs of before fleets were kept apart: one of them would stop every retraining of the workspace."""
    ledger.write(RUN, State.OPEN)
    path = ledger.path(RUN.name) / "run.json"
    document = json.loads(path.read_bytes())
    del document["fleet"]
    path.write_text(json.dumps(document))
    with pytest.raises(
        DataError, match=r"run\.json: expected the record of a retraining, got .*config\.yaml: expected"
    ):
        ledger.runs()
    config = yaml.safe_load((ROOT / "ground" / "configs" / "engine_vibration.yaml").read_text())
    (ledger.path(RUN.name) / "config.yaml").write_text(yaml.safe_dump(config | {"bundle": {"fleet": "west"}}))
    assert ledger.runs() == (RUN,)
    assert ledger.name_of(Cause.MANUAL, None, "d", "west", NOW) == RUN.name


def test_skipped_causes_are_counted_once(ledger):
    """Told again is not skipped again."""
    assert [ledger.skip(cause, "not registered", NOW) for cause in ("a", "a", "b")] == [1, 1, 2]
    assert ledger.skip("a", "retired", NOW) == 2
    assert len((ledger.folder / "skipped.jsonl").read_text().splitlines()) == 3
    (ledger.folder / "skipped.jsonl").write_text("{\n")
    with pytest.raises(DataError, match=r"expected causes that were skipped, got '\{'"):
        ledger.skip("c", "x", NOW)


def test_one_at_a_time(ledger, tmp_path):
    """A timer and a person do not train into one another."""
    with ledger.locked(), pytest.raises(ConfigError, match="wait until that retraining has ended"):
        Ledger(Workspace(tmp_path)).locked().__enter__()
    with ledger.locked():
        pass


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], "1.0.0"),
        (["1.0.0"], "1.1.0"),
        (["1.9.4", "1.10.0", "1.2.0"], "1.11.0"),
        (["candidate", "2.0.0-rc1", "01.2.3", "0.3.0"], "0.4.0"),
    ],
)
def test_the_next_version(versions, expected):
    """By numbers, not by letters; what is no version counts for nothing."""
    assert next_version(versions) == expected


def test_the_config_of_a_run(tmp_path):
    """The given one with another sequence and fewer flights; names of no recording and the contract come along."""
    given = tmp_path / "given"
    given.mkdir()
    text = (ROOT / "ground" / "configs" / "engine_vibration.yaml").read_text()
    (given / "c.yaml").write_text(text + "contract: sub/mine.yaml\npreprocess: {leave_out: [none, bad-1]}\n")
    (given / "sub").mkdir()
    contract = (ROOT / "ground" / "configs" / "engine_vibration.contract.yaml").read_bytes()
    (given / "sub" / "mine.yaml").write_bytes(contract)
    config = load_config(given / "c.yaml")
    flight = FlightKey("a", "e", "f")
    choices = [("bad-1", Reason.CONFIGURED), ("f-1", Reason.ALARMED), ("f-2", Reason.QUIET)]
    selection = Selection(tuple(Choice(name, flight, "healthy", reason) for name, reason in choices))
    written = write_config(config, tmp_path / "run", selection, sequence=7)
    assert written.preprocess.leave_out == ("none", "bad-1", "f-1")
    assert written.preprocess.selection["quiet"] == 1
    assert written.bundle.sequence == 7
    assert (written.folder / written.contract).read_bytes() == contract
    assert written.model_dump(exclude={"preprocess", "bundle", "contract"}) == config.model_dump(
        exclude={"preprocess", "bundle", "contract"}
    )
    (given / "sub" / "mine.yaml").unlink()
    with pytest.raises(ConfigError, match=r"contract: expected a readable file"):
        write_config(config, tmp_path / "run", selection, sequence=7)
