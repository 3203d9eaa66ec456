"""Power cuts in the journal on a real ext4: its blocks before and after each system call that writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent import journal_store
from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.publication import Grade, Publication
from tests.faults.power_cut import PowerCuts, power  # noqa: F401 - a fixture

ROOMY = 4 * 1024 * 1024
CALLS = ("write", "fdatasync", "fsync", "unlink")


class Promises:
    """What the journal has promised, and whether a journal after a reboot holds it."""

    def __init__(self) -> None:
        self.promised: dict[RecordId, str] = {}
        self.arriving: set[RecordId] = set()
        self.noted: set[RecordId] = set()

    def check(self, disk: Path) -> None:
        """What is owed is there, what was noted is not, and no number is given twice."""
        store = JournalStore(disk / "journal", ROOMY)
        store.open()
        found = {record: publication.topic for record, publication in store.read(10_000, 10**9, ())}
        numbers = {grade: store._next[grade] for grade in Grade}
        owed = {record: topic for record, topic in self.promised.items() if record not in self.arriving}
        assert owed.items() <= found.items()
        assert not self.noted & set(found)
        assert all(record.number < numbers[record.grade] for record in owed)


def test_nothing_promised_is_lost(power: PowerCuts, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 - a fixture
    """At every moment what was promised is there, what was noted does not come again, no number is given twice."""
    monkeypatch.setattr(journal_store, "_LARGEST_SEGMENT_BYTES", 4096)
    promises = Promises()
    with power.looking(promises.check, CALLS, before=True):
        live(JournalStore(power.disk / "journal", ROOMY), promises)
    power.look(promises.check)
    assert power.n > 30


def live(store: JournalStore, promises: Promises) -> None:
    """Write, and acknowledge by fives."""
    store.open()
    for start in range(0, 6, 3):
        for grade in (Grade.ALERT, Grade.RESULT):
            topics = [f"{grade.name}{number}" for number in range(start, start + 3)]
            publications = [Publication(topic=topic, payload=os.urandom(700), grade=grade) for topic in topics]
            promises.promised |= dict(zip(store.write(grade, publications), topics, strict=True))
    for record in sorted(promises.promised):
        promises.arriving.add(record)
        if len(promises.arriving - promises.noted) >= 5:
            arriving = promises.arriving - promises.noted
            store.acknowledge(arriving)
            promises.noted |= arriving
