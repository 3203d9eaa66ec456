"""The journal's thread between an outbox and a real folder: what it writes, what it spares, and disks that fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent import journal as journal_module
from edge_agent.journal import JOURNAL_FOLDER, Journal
from edge_agent.journal_config import JournalSection
from edge_agent.outbox import Outbox
from edge_agent.publication import Grade, Publication

WAIT_S = 30.0


def message(name: str, grade: Grade = Grade.RESULT, *, retain: bool = False) -> Publication:
    """A publication with a topic of its own."""
    return Publication(topic=name, payload=b"x" * 100, grade=grade, retain=retain)


class Run:
    """One run of an agent's outbox and journal."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.outbox = Outbox(100)
        self.journal = Journal(JournalSection(**settings), folder, self.outbox)
        self.sent = 0

    def send(self) -> list[str]:
        """Send what there is, without an acknowledgement; returns the topics."""
        taken = self.outbox.take(100)
        for publication in taken:
            self.sent += 1
            self.outbox.sent(self.sent, publication)
        return [publication.topic for publication in taken]

    def wait_for(self, name: str, value: int) -> None:
        """Wait until a gauge has a value."""
        deadline_s = time.monotonic() + WAIT_S
        while (gauges := self.journal.gauges())[name] != value:
            assert time.monotonic() < deadline_s, f"{name} = {value}: {gauges}"
            time.sleep(0.01)


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """Makes runs on one state folder, at ten times the pace, and sees to their end."""
    monkeypatch.setattr(journal_module, "INTERVAL_S", 0.05)
    monkeypatch.setattr(journal_module, "MIN_AGE_S", 0.0)
    monkeypatch.setattr(journal_module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(journal_module, "_LONGEST_PAUSE_S", 0.05)
    made: list[Run] = []

    def make(**settings: Any) -> Run:
        made.append(Run(tmp_path, **settings))
        made[-1].journal.start()
        return made[-1]

    yield make
    for run in made:
        run.journal.stop(WAIT_S)


@pytest.mark.parametrize("grade", Grade)
def test_nothing_expires_in_it(make_run: Any, grade: Grade) -> None:
    """How long the broker is to keep a message begins when it has it: an outage of any length costs none."""
    first = make_run()
    first.outbox.add(replace(message("late", grade), expiry_s=1))
    first.wait_for(f"journal_waiting.{grade.name.lower()}", 1)
    assert first.journal.stop(WAIT_S)
    time.sleep(1.1)
    again = make_run()
    again.wait_for(f"journal_waiting.{grade.name.lower()}", 1)
    deadline_s = time.monotonic() + WAIT_S
    while not (taken := again.outbox.take(100)):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert [(each.topic, each.expiry_s) for each in taken] == [("late", 1)]


def test_nothing_is_written_while_the_broker_takes_everything(make_run: Any, tmp_path: Path) -> None:
    """What is acknowledged before the journal's turn is never written: no wear, no folder."""
    run = make_run()
    for number in range(1, 51):
        run.outbox.add(message("a"), message("s", retain=True))
        run.send()
        run.outbox.acknowledge(2 * number - 1)
        run.outbox.acknowledge(2 * number)
    assert run.journal.stop(WAIT_S)
    assert list(tmp_path.iterdir()) == []
    assert run.journal.gauges()["journal_written_bytes"] == 0


def test_outage_and_restart(make_run: Any) -> None:
    """What no broker took is sent by the next run, in order, alerts first; what one took is not sent again."""
    run = make_run()
    run.outbox.add(*map(message, ("r1", "r2", "r3")), message("a1", Grade.ALERT))
    run.wait_for("journal_waiting.result", 3)
    assert run.send() == ["a1", "r1", "r2", "r3"]
    run.outbox.acknowledge(1)
    run.outbox.acknowledge(3)
    run.wait_for("journal_waiting.result", 2)
    run.outbox.add(message("r4"))
    assert run.journal.stop(WAIT_S)
    run = make_run()
    run.wait_for("journal_waiting.result", 3)
    sent: list[str] = []
    while len(sent) < 3:
        sent += run.send()
    assert sent == ["r1", "r3", "r4"]


@pytest.mark.parametrize(("where", "name"), [(150, "journal_damaged"), (-1, "journal_torn")])
def test_what_a_kill_tears_is_no_damage(make_run: Any, tmp_path: Path, where: int, name: str) -> None:
    """A torn end says nothing of the disk; a record that is spoiled between others does."""
    run = make_run()
    run.outbox.add(*map(message, "abc"))
    run.wait_for("journal_waiting.result", 3)
    run.journal.stop(WAIT_S)
    (file,) = (tmp_path / JOURNAL_FOLDER).glob("*.log")
    content = bytearray(file.read_bytes())
    content[where] ^= 1
    file.write_bytes(content)
    after = make_run()
    after.wait_for(name, 1)
    assert after.journal.gauges()["journal_damaged"] + after.journal.gauges()["journal_torn"] == 1


def test_more_than_memory_holds(make_run: Any) -> None:
    """An outage longer than the outbox is wide loses nothing: what is on disk leaves memory."""
    run = make_run()
    for start in range(0, 1_000, 50):
        run.outbox.add(*(message(str(number)) for number in range(start, start + 50)))
        run.wait_for("journal_waiting.result", start + 50)
    assert run.outbox.dropped == 0
    assert len(run.outbox) == 0
    sent: list[str] = []
    while len(sent) < 1_000:
        before = run.sent
        sent += run.send()
        for number in range(before + 1, run.sent + 1):
            run.outbox.acknowledge(number)
    assert sent == [str(number) for number in range(1_000)]
    run.wait_for("journal_waiting.result", 0)


def test_not_enabled(make_run: Any, tmp_path: Path) -> None:
    """Without a journal the outbox is as it was: in memory, bounded, counted."""
    run = make_run(enabled=False)
    run.outbox.add(*(message(str(number)) for number in range(150)))
    assert run.journal.stop(WAIT_S)
    assert (run.outbox.dropped, len(run.outbox)) == (50, 100)
    assert list(tmp_path.iterdir()) == []
    assert run.journal.gauges() == {}


def test_folder_that_cannot_be(make_run: Any, tmp_path: Path, log_lines: list[Any]) -> None:
    """While nothing can be written, memory holds what it did before; said once; it goes on by itself afterwards."""
    obstacle = tmp_path / JOURNAL_FOLDER
    obstacle.write_text("in the way")
    run = make_run()
    run.outbox.add(*(message(str(number)) for number in range(150)))
    deadline_s = time.monotonic() + WAIT_S
    while run.journal.gauges()["journal_write_errors"] < 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert (run.outbox.dropped, len(run.outbox)) == (50, 100)
    obstacle.unlink()
    run.wait_for("journal_waiting.result", 100)
    assert run.journal.stop(WAIT_S)
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == [
        "journal not written; results are kept in memory"
    ]
    assert "journal written again" in [line["event"] for line in log_lines]


def test_fault_of_our_own(make_run: Any, monkeypatch: pytest.MonkeyPatch, log_lines: list[Any]) -> None:
    """A bug in the store costs a turn, not the journal; it is counted and logged."""
    run = make_run()
    plain = run.journal._store.write
    faults = [ZeroDivisionError(), ZeroDivisionError()]

    def write(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return plain(*arguments)

    monkeypatch.setattr(run.journal._store, "write", write)
    run.outbox.add(message("a"))
    run.wait_for("journal_waiting.result", 1)
    assert run.journal.gauges()["journal_internal_errors"] == 2
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == ["journal failed"] * 2


def test_rate_of_wear(make_run: Any) -> None:
    """Whole blocks are counted, and told as MiB a day at the pace of the first hour."""
    run = make_run()
    run.outbox.add(*(Publication(topic="a", payload=bytes(100_000)) for _ in range(20)))
    run.wait_for("journal_waiting.result", 20)
    # Its thread notes the wear just after it has written.
    assert run.journal.stop(WAIT_S)
    gauges = run.journal.gauges()
    assert gauges["journal_written_bytes"] % 4096 == 0
    assert 2_000_000 <= gauges["journal_written_bytes"] < 2_100_000
    assert gauges["journal_mib_per_day"] == round(gauges["journal_written_bytes"] / 1024**2 * 24)
