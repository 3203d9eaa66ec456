"""Power cuts: a copy of the disk's blocks before and after each system call that writes, mounted as after a reboot.

The copy holds what has reached the device, and none of what only lies in the kernel's memory.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent import journal_store
from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.publication import Grade, Publication

ROOMY = 4 * 1024 * 1024


class PowerCuts:
    """An ext4 of its own, what was promised on it, and a look at every moment."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.image = folder, folder / "disk.img"
        self.disk, self._rebooted = folder / "disk", folder / "rebooted"
        self.disk.mkdir()
        self._rebooted.mkdir()
        subprocess.run(["truncate", "-s", "8M", self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-b", "1024", self.image], check=True)
        self.promised: dict[RecordId, str] = {}
        self.arriving: set[RecordId] = set()
        self.noted: set[RecordId] = set()
        self.n = 0
        self.is_looking = False

    def look(self) -> None:
        """Cut the power here, boot, and hold the journal against what was promised."""
        self.is_looking = True
        # Each under a name of its own: the kernel lets go of the last one in its own time.
        copy = self._folder / f"copy{self.n}.img"
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        with mounted(copy, self._rebooted):
            store = JournalStore(self._rebooted / "journal", ROOMY)
            store.open()
            found = {record: publication.topic for record, publication in store.read(10_000, 10**9, ())}
            numbers = {grade: store._next[grade] for grade in Grade}
        owed = {record: topic for record, topic in self.promised.items() if record not in self.arriving}
        assert owed.items() <= found.items()
        assert not self.noted & set(found)
        assert all(record.number < numbers[record.grade] for record in owed)
        copy.unlink()
        self.is_looking = False
        self.n += 1


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    """An image in a folder, for as long as it lasts."""
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PowerCuts]:
    """Cuts the power before and after each call that writes; only root may mount the disk."""
    if os.geteuid() != 0:
        pytest.skip("mounting an image needs root")
    power = PowerCuts(tmp_path)
    try:
        with mounted(power.image, power.disk):
            pass
    except subprocess.CalledProcessError:
        pytest.skip("no image can be mounted here")
    with mounted(power.image, power.disk), monkeypatch.context() as patch:
        for name in ("write", "fdatasync", "fsync", "unlink"):
            patch.setattr(os, name, looking(power, getattr(os, name)))
        patch.setattr(journal_store, "_LARGEST_SEGMENT_BYTES", 4096)
        yield power


def looking(power: PowerCuts, plain: Any) -> Any:
    """A system call with a look before and after it."""

    def call(*arguments: Any, **options: Any) -> Any:
        if power.is_looking:
            return plain(*arguments, **options)
        power.look()
        result = plain(*arguments, **options)
        power.look()
        return result

    return call


def test_nothing_promised_is_lost(power: PowerCuts) -> None:
    """At every moment what was promised is there, what was noted does not come again, no number is given twice."""
    store = JournalStore(power.disk / "journal", ROOMY)
    store.open()
    for start in range(0, 6, 3):
        for grade in (Grade.ALERT, Grade.RESULT):
            topics = [f"{grade.name}{number}" for number in range(start, start + 3)]
            publications = [Publication(topic=topic, payload=os.urandom(700), grade=grade) for topic in topics]
            power.promised |= dict(zip(store.write(grade, publications), topics, strict=True))
    for record in sorted(power.promised):
        power.arriving.add(record)
        if len(power.arriving - power.noted) >= 5:
            arriving = power.arriving - power.noted
            store.acknowledge(arriving)
            power.noted |= arriving
    power.look()
    assert power.n > 30
