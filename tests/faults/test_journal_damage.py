"""Damage to a small journal at every place: only the hit records are lost, each is counted, nothing is made up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.publication import Grade, Publication

N = 6
ARRIVED = {2, 5}
ROOMY = 1024 * 1024
GRADE = Grade.RESULT


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and a thousand syncs take their time."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A closed journal of six results in one segment, two of which have arrived."""
    folder = tmp_path / "journal"
    store = JournalStore(folder, ROOMY)
    store.open()
    written = store.write(GRADE, [message(number) for number in range(1, N + 1)])
    store.acknowledge([record for record in written if record.number in ARRIVED])
    return folder


def message(number: int) -> Publication:
    """A small publication that names its number."""
    return Publication(topic=f"t{number}", payload=b"payload %d" % number)


def read(folder: Path) -> tuple[dict[int, str], JournalStore]:
    """Numbers and topics of what a new process would send."""
    store = JournalStore(folder, ROOMY)
    store.open()
    found = store.read(100, ROOMY, ())
    for record, publication in found:
        assert publication == message(record.number)
    return {record.number: publication.topic for record, publication in found}, store


def number_at(content: bytes, offset: int) -> int:
    """Number of the record that covers a byte of the file: all records are of one length."""
    return offset * N // len(content) + 1


@pytest.mark.parametrize("flip", [0xFF, 0x01])
def test_flipped_byte_in_the_records(journal: Path, flip: int) -> None:
    """A flipped byte anywhere costs the one record that it is in, which is counted."""
    (path,) = journal.glob("*.log")
    whole = path.read_bytes()
    assert len(whole) % N == 0
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= flip
        path.write_bytes(damaged)
        found, store = read(journal)
        hit = number_at(whole, offset)
        assert set(found) == set(range(1, N + 1)) - ARRIVED - {hit}, offset
        assert store.damaged == 1, offset


@pytest.mark.parametrize("flip", [0xFF, 0x01])
def test_flipped_byte_in_the_arrivals(journal: Path, flip: int) -> None:
    """A flipped byte in what has arrived loses nothing: at most one record is sent again."""
    (path,) = journal.glob("*.arrived")
    whole = path.read_bytes()
    waiting = set(range(1, N + 1)) - ARRIVED
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= flip
        path.write_bytes(damaged)
        found, _ = read(journal)
        assert waiting < set(found), offset
        assert len(found) == len(waiting) + 1, offset


def test_every_length(journal: Path) -> None:
    """A file cut at any length keeps its whole records, and what is written next is sound."""
    (path,) = journal.glob("*.log")
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        copy = journal.with_name("copy")
        shutil.copytree(journal, copy)
        os.truncate(copy / path.name, length)
        found, store = read(copy)
        n_whole = length * N // len(whole)
        assert set(found) == set(range(1, n_whole + 1)) - ARRIVED, length
        assert store.damaged == (1 if length * N % len(whole) else 0), length
        (record,) = store.write(GRADE, [message(n_whole + 1) if n_whole else message(2)])
        assert record.number not in found
        assert record.number in read(copy)[0], length
        shutil.rmtree(copy)


def test_every_length_of_the_arrivals(journal: Path) -> None:
    """Arrivals cut at any length lose nothing, and what arrives next is noted."""
    (path,) = journal.glob("*.arrived")
    whole = path.read_bytes()
    waiting = set(range(1, N + 1)) - ARRIVED
    for length in range(len(whole) + 1):
        copy = journal.with_name("copy")
        shutil.copytree(journal, copy)
        os.truncate(copy / path.name, length)
        found, store = read(copy)
        assert waiting <= set(found), length
        assert len(set(found) - waiting) == len(ARRIVED) - length * len(ARRIVED) // len(whole), length
        store.acknowledge([RecordId(GRADE, 1)])
        assert 1 not in read(copy)[0], length
        shutil.rmtree(copy)


@pytest.mark.parametrize("content", [bytes(5_000), b"\xff" * 5_000, bytes(range(256)) * 20, b""])
def test_rubbish(journal: Path, content: bytes) -> None:
    """A journal overwritten with zeros, ones or anything starts empty, and takes new records."""
    (path,) = journal.glob("*.log")
    path.write_bytes(content)
    found, store = read(journal)
    assert found == {}
    assert store.damaged == (1 if content else 0)
    assert store.write(GRADE, [message(2)])[0].number == 2
    assert read(journal)[0] == {2: "t2"}


def test_old_dates_do_not_reorder(tmp_path: Path) -> None:
    """Order is by number: a clock that jumps back between segments, and dates of files, change nothing."""
    folder = tmp_path / "journal"
    for start in range(5):
        store = JournalStore(folder, ROOMY)
        store.open()
        store.write(GRADE, [message(2 * start + 1), message(2 * start + 2)])
    for age, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (1_000_000.0 - age, 1_000_000.0 - age))
    assert list(read(folder)[0]) == list(range(1, 11))
