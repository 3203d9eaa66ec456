"""Verdicts on alerts: the last one rules, none is lost, and nothing that is written into them does harm."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.cli import main
from ground.errors import DataError
from ground.fleet.alerts import read_alerts
from ground.fleet.collect.parts import write_parts
from ground.fleet.verdicts import MOST_NOTE, SCHEMA, AlertKey, FlightKey, Verdict, Verdicts, open_verdicts
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture

KEY = AlertKey(run="r1", aircraft="OO-ABC", engine="1", flight="F1", seq=3, bundle_digest="ab")


@pytest.fixture
def verdicts(tmp_path):
    """A store without a verdict."""
    return open_verdicts(tmp_path / "verdicts.sqlite")


def test_the_last_one_rules_and_the_others_are_kept(verdicts):
    """Whatever the clocks of those who say so."""
    verdicts.record(KEY, Verdict.NEEDS_REVIEW, by="alice", at_ns=200)
    verdicts.record(KEY, Verdict.FALSE_ALARM, by="bob", note="loose cable", at_ns=100)
    other = replace(KEY, seq=9)
    verdicts.record(other, Verdict.CONFIRMED, by="alice", at_ns=300)
    assert verdicts.latest()[KEY].verdict is Verdict.FALSE_ALARM
    assert [(each.by, each.note, each.at_ns) for each in verdicts.history(KEY)] == [
        ("alice", "", 200),
        ("bob", "loose cable", 100),
    ]
    assert list(verdicts.latest()) == [KEY, other]


def test_by_flight_one_a_alert(verdicts):
    """Flights that nobody asked for, or said anything of, are left out."""
    verdicts.record(KEY, Verdict.CONFIRMED, by="a")
    verdicts.record(KEY, Verdict.FALSE_ALARM, by="a")
    verdicts.record(replace(KEY, seq=8), Verdict.NEEDS_REVIEW, by="a")
    verdicts.record(replace(KEY, flight="F2"), Verdict.CONFIRMED, by="a")
    found = verdicts.for_flights([KEY.flight_key, FlightKey("OO-ABC", "1", "F3")])
    assert {flight: [each.verdict for each in entries] for flight, entries in found.items()} == {
        KEY.flight_key: [Verdict.FALSE_ALARM, Verdict.NEEDS_REVIEW]
    }


def test_no_file_says_nothing_and_reading_makes_none(verdicts):
    """So does an empty one, which a kill at the first verdict leaves."""
    assert verdicts.latest() == {}
    assert not verdicts.path.exists()
    verdicts.path.touch()
    assert verdicts.history(KEY) == ()
    verdicts.record(KEY, Verdict.CONFIRMED, by="a")
    assert len(verdicts.latest()) == 1


HOSTILE = ["'); DROP TABLE verdict; --", "\x00", "\x1b[2Janna", "zoë ✈ 机", "a\nb", "%s {0} $HOME", "x" * 1_024]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_alerts_come_back_as_they_were(verdicts, name):
    """The dataset has whatever names agents were sent."""
    key = replace(KEY, flight=name, aircraft=name)
    verdicts.record(key, Verdict.CONFIRMED, by="a", note=name if name.isprintable() else "")
    assert verdicts.latest()[key].key == key
    assert len(verdicts.history(key)) == 1


@pytest.mark.parametrize(
    ("changes", "said", "text"),
    [
        ({}, {"by": ""}, r"by: expected a name in printable characters, got ''"),
        ({}, {"by": "  "}, r"by: expected a name"),
        ({}, {"by": "a\x1b[0m"}, r"by: expected a name in printable"),
        ({}, {"by": "a" * 121}, r"by: expected at most 120 characters, got 121"),
        ({}, {"by": "a", "note": "n" * (MOST_NOTE + 1)}, r"note: expected at most 2000 characters, got 2001"),
        ({}, {"by": "a", "note": "\x07"}, r"note: expected printable text, got '\\x07' in it"),
        ({}, {"by": "a", "note": "\ud800"}, r"note: expected Unicode text"),
        ({"flight": "\udfff"}, {"by": "a"}, r"flight: expected Unicode text"),
        ({"engine": "e" * 1_025}, {"by": "a"}, r"engine: expected at most 1024 characters"),
        ({"seq": 2**63}, {"by": "a"}, r"seq: expected a whole number of 64 bits"),
        ({}, {"by": "a", "at_ns": -(2**63) - 1}, r"at_ns: expected a whole number of 64 bits"),
    ],
)
def test_what_cannot_be_kept_is_refused(verdicts, changes, said, text):
    """Before anything is written."""
    with pytest.raises(DataError, match=text):
        verdicts.record(replace(KEY, **changes), Verdict.CONFIRMED, **said)
    assert not verdicts.path.exists()


def test_history_is_only_added_to(verdicts):
    """Not by sqlite's own means either."""
    verdicts.record(KEY, Verdict.CONFIRMED, by="a")
    with closing(sqlite3.connect(verdicts.path)) as database:
        for statement in ("UPDATE verdict SET verdict = 'false_alarm'", "DELETE FROM verdict"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                database.execute(statement)


def _altered(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ([f"PRAGMA user_version = {SCHEMA + 1}"], r"expected schema 1 of verdicts, got 2; use the version of ground"),
        (["PRAGMA application_id = 7"], r"expected a store of verdicts, got another sqlite database"),
        (["DROP TABLE verdict"], r"expected a store of verdicts, got another|can be read and written, got"),
        (
            ["DROP TRIGGER verdict_stays", "UPDATE verdict SET verdict = 'perhaps'"],
            r"can be read and written, got 'perhaps'",
        ),
    ],
)
def test_another_store_is_refused(verdicts, statements, text):
    """Neither read nor written."""
    verdicts.record(KEY, Verdict.CONFIRMED, by="a")
    _altered(verdicts.path, *statements)
    with pytest.raises(DataError, match=text):
        verdicts.latest()


@pytest.mark.parametrize("content", [b"hello, world " * 100, b"SQLite format 3\x00" + bytes(4_096)])
def test_what_is_no_store_is_refused_and_stays(tmp_path, content):
    """Damage is told at the door."""
    path = tmp_path / "v.sqlite"
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected a store of verdicts that can be read and written, got"):
        open_verdicts(path)
    with pytest.raises(DataError, match="expected a store of verdicts"):
        Verdicts(path).record(KEY, Verdict.CONFIRMED, by="a")
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path):
    """A typing error makes no store somewhere else."""
    with pytest.raises(DataError, match="check the file and its folder"):
        open_verdicts(tmp_path / "no" / "v.sqlite").record(KEY, Verdict.CONFIRMED, by="a")


WRITER = """
import sys
from pathlib import Path
from ground.fleet.verdicts import AlertKey, Verdict, open_verdicts
verdicts = open_verdicts(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    verdicts.record(AlertKey("r", "A", sys.argv[2], "F", number, "ab"), Verdict.CONFIRMED, by="a")
    print(number, flush=True)
"""


def test_several_processes_and_threads_write_at_once(verdicts):
    """The first of them makes the file, and none loses a word."""
    command = [sys.executable, "-c", WRITER, str(verdicts.path)]
    processes = [subprocess.Popen([*command, name, "20"], stdout=subprocess.DEVNULL) for name in ("p", "q")]
    threads = [
        threading.Thread(
            target=lambda name=name: [
                verdicts.record(replace(KEY, engine=name, seq=number), Verdict.FALSE_ALARM, by="b")
                for number in range(20)
            ]
        )
        for name in ("s", "t")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert len(verdicts.latest()) == 80


def test_what_was_recorded_outlives_a_kill(verdicts):
    """Each number that was printed is there, and at most one more."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(verdicts.path), "p", "100000"], stdout=subprocess.PIPE, text=True
    ) as process:
        last = [process.stdout.readline() for _ in range(30)][-1]
        process.send_signal(signal.SIGKILL)
        printed = int((process.stdout.read().split() or [last])[-1])
    kept = [entry.key.seq for entry in verdicts.latest().values()]
    assert kept == list(range(len(kept)))
    assert len(kept) - 1 in (printed, printed + 1)
    verdicts.record(KEY, Verdict.CONFIRMED, by="a")


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path, message):  # noqa: F811 - the fixture
    """Runs ``ground verdict`` over a dataset of two alerts; gives exit code, output and errors."""
    batch = [
        message(3, flight="F1", state="alarm", event="raised", score=9.0),
        message(7, flight="F1", event="cleared"),
        message(4, flight="\x1b[31mF2", state="alarm", event="raised"),
    ]
    alerts = [Publication(topic=each.topic.replace("result", "alert"), payload=each.payload) for each in batch]
    data = tmp_path / "data"
    write_parts(alerts, data, name="c-1", date="2026-01-02", topics=TopicsSection())

    def run(command, *arguments):
        monkeypatch.setattr(sys, "argv", ["ground", "verdict", command, *arguments, "--data", str(data)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    run.data = data
    return run


def test_a_person_decides(ask):
    """List, say, list again; a name from the wire reaches no terminal as it is."""
    second, first = [alert.key for alert in read_alerts(ask.data).alerts]
    code, said, _ = ask("list")
    assert code == 0
    assert said.count("none yet") == 2
    assert "\x1b" not in said
    assert f"{first.alert_id}  OO-ABC/1 flight F1 cruise 2023-11-14 22:13:30Z  3.00 x threshold  d/1.0.0" in said
    code, said, _ = ask("set", first.alert_id[:6], "false_alarm", "--by", "alice", "--note", "cable")
    assert code == 0
    assert "false_alarm by alice" in said
    said = json.loads(ask("set", second.alert_id[:6], "needs_review", "--by", "bob", "--json")[1])
    assert (said["alert_id"], said["verdict"], said["by"]) == (second.alert_id, "needs_review", "bob")
    open_ones = ask("list", "--open")[1]
    assert first.alert_id not in open_ones
    assert "needs_review by bob" in open_ones
    listed = json.loads(ask("list", "--json")[1])["alerts"]
    assert {each["alert_id"]: each["verdict"] for each in listed} == {
        first.alert_id: "false_alarm", second.alert_id: "needs_review",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("list", "--verdicts", "/no/such/folder/../v"), ""),
        (("set", "zzzz", "confirmed"), "which begins that of 0; `ground verdict list` shows ids"),
        (("set", "", "confirmed"), "expected 4 or more digits"),
    ],
)
def test_bad_input_of_the_command(ask, arguments, text):
    """Told in a line, code 2; a store that is not there yet is none."""
    code, _, errors = ask(*arguments)
    assert text in errors
    assert code == (2 if text else 0)


def test_a_dataset_that_is_not_there(monkeypatch, capsys):
    """The same."""
    monkeypatch.setattr(sys, "argv", ["ground", "verdict", "list", "--data", "/no/such"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "expected the folder of a dataset, got none" in capsys.readouterr().err
