"""The files of the dataset: which there are, and which of them are looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ground.fleet.collect.dataset import COMPACTED
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import SUFFIX

_DATE: Final = "date="
_LAST_WORD: Final = frozenset({Kind.STATUS})
"""Kinds that say how something is, not how it was: agents send thousands a day, and the newest is shown alone."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file; it is never changed, only removed.

    Attributes:
        path: Where it lies.
        kind: What it holds.
        date: Its day, ``YYYY-MM-DD``.
    """

    path: Path
    kind: Kind
    date: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found.

    Attributes:
        files: Those that are looked at.
        since: The first day that is looked at, of any kind; empty where there is none.
        older: Folders of days before it, which are not.
    """

    files: tuple[DataFile, ...]
    since: str
    older: int


@dataclass(frozen=True, slots=True)
class _Day:
    source: str
    date: str
    folder: str


def scan(root: Path, kinds: Sequence[Kind], *, days: int, today: str = "") -> Scan:
    """Find the files of the last days.

    Days of each kind are counted back from its newest one: windows are dated by their own time, other messages by when
    they came. A clock that runs ahead does not push the others out: the newest day is one that is not in the future,
    and what is later than that is looked at, too. Of what agents say of themselves only the last files are looked at.

    Args:
        root: The dataset.
        kinds: Which kinds.
        days: How many days.
        today: ``YYYY-MM-DD``; empty for today.

    Raises:
        OSError: The folder cannot be read.
    """
    root.stat()
    now = today or datetime.now(UTC).date().isoformat()
    files: list[DataFile] = []
    sinces, older = [], 0
    for kind in kinds:
        found = list(_days(root, kind))
        newest = max((day.date for day in found if day.date <= now), default="")
        since = _days_before(newest, days) if newest else ""
        wanted = [day for day in found if day.date >= since]
        chosen = _last_files(wanted, now) if kind in _LAST_WORD else _all_files(wanted)
        files += [DataFile(path, kind, date) for date, path in chosen]
        older += len(found) - len(wanted)
        sinces.append(since)
    return Scan(tuple(files), min(filter(None, sinces), default=""), older)


def _days(root: Path, kind: Kind) -> Iterator[_Day]:
    for source in _entries(str(root / kind.value)):
        if source.is_dir() and "=" in source.name:
            for day in _entries(source.path):
                if day.name.startswith(_DATE):
                    yield _Day(source.name, day.name.removeprefix(_DATE), day.path)


def _all_files(days: Sequence[_Day]) -> Iterator[tuple[str, Path]]:
    return ((day.date, path) for day in days for path in _files(day.folder))


def _last_files(days: Sequence[_Day], now: str) -> Iterator[tuple[str, Path]]:
    """Of each source the last file of each collector, on the last day that is not in the future."""
    last: dict[str, _Day] = {}
    for day in sorted(days, key=lambda each: (each.date <= now, each.date)):
        last[day.source] = day
    for day in last.values():
        by_collector = {_collector_of(path): path for path in _files(day.folder)}
        yield from ((day.date, path) for path in by_collector.values())


def _collector_of(path: Path) -> str:
    """Who wrote a file; each file that was made of others stands for itself."""
    name, _, _ = path.stem.rpartition("-")
    return path.stem if name in ("", COMPACTED) else name


def _files(folder: str) -> list[Path]:
    found = (entry.name for entry in _entries(folder))
    return [Path(folder, name) for name in sorted(found) if name.endswith(SUFFIX) and not name.startswith(".")]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing where it is gone, or is none."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _days_before(date: str, days: int) -> str:
    try:
        return (datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC) - timedelta(days=days)).date().isoformat()
    except (ValueError, OverflowError):
        return ""
