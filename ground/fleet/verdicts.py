"""What people say of alerts: a store that is only ever added to, in one sqlite file that several processes may share.

An alert is named as the collector's dataset names its window (``ground.fleet.collect.rows.WINDOW_KEY``). Of several
verdicts on one alert the last one written rules; the earlier ones stay as its history.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

from ground.errors import DataError

VERDICTS_FILE: Final = "verdicts.sqlite"
"""Its usual name, in the folder of the dataset."""
SCHEMA: Final = 1
APPLICATION: Final = 0x456E5664
"""Marks the file as ours: "EnVd"."""
MOST_BY: Final = 120
MOST_NOTE: Final = 2_000
MOST_NAME: Final = 1_024
"""Characters of whoever says it, of the note, and of each name of an alert."""
_WAIT_S = 30.0
_SHORT = 12
_LEAST, _MOST = -(2**63), 2**63 - 1


class Verdict(Enum):
    """What an alert was."""

    CONFIRMED = "confirmed"
    """Something was wrong with the engine."""
    FALSE_ALARM = "false_alarm"
    """Nothing was: the flight is healthy."""
    NEEDS_REVIEW = "needs_review"
    """Nobody knows yet."""


@dataclass(frozen=True, slots=True, order=True)
class FlightKey:
    """One flight of one engine, as it is named on the wire.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
    """

    aircraft: str
    engine: str
    flight: str


@dataclass(frozen=True, slots=True, order=True)
class AlertKey:
    """One alert: the window in which the alarm was raised.

    Attributes:
        run: Run of the agent.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        seq: Number of the window in the flight.
        bundle_digest: sha256 of the bundle that raised it.
    """

    run: str
    aircraft: str
    engine: str
    flight: str
    seq: int
    bundle_digest: str

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """The key of a row of the dataset's windows."""
        return cls(**{name: row[name] for name in _KEY})

    @property
    def flight_key(self) -> FlightKey:
        """The flight it was raised in."""
        return FlightKey(self.aircraft, self.engine, self.flight)

    @property
    def alert_id(self) -> str:
        """A short name for people and addresses: 12 hex digits of a sha256 over the key."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:_SHORT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One verdict.

    Attributes:
        key: The alert.
        verdict: What it was.
        by: Who says so.
        at_ns: When, nanoseconds since 1970 UTC.
        note: Why; may be empty.
    """

    key: AlertKey
    verdict: Verdict
    by: str
    at_ns: int
    note: str


_KEY: Final = tuple(field.name for field in fields(AlertKey))
_COLUMNS = f"{', '.join(_KEY)}, verdict, said_by, at_ns, note"
_TABLE = (
    """CREATE TABLE verdict (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL, aircraft TEXT NOT NULL, engine TEXT NOT NULL, flight TEXT NOT NULL, seq INTEGER NOT NULL,
        bundle_digest TEXT NOT NULL,
        verdict TEXT NOT NULL, said_by TEXT NOT NULL, at_ns INTEGER NOT NULL, note TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX verdict_of_alert ON verdict (aircraft, engine, flight, seq, run, bundle_digest)",
    "CREATE TRIGGER verdict_stays BEFORE UPDATE ON verdict BEGIN SELECT RAISE(ABORT, 'history is only added to'); END",
    "CREATE TRIGGER verdict_kept BEFORE DELETE ON verdict BEGIN SELECT RAISE(ABORT, 'history is only added to'); END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)
_LATEST = f"SELECT {_COLUMNS} FROM verdict WHERE number IN (SELECT max(number) FROM verdict GROUP BY {', '.join(_KEY)})"  # noqa: S608 - names of columns
_HISTORY = f"SELECT {_COLUMNS} FROM verdict WHERE {' AND '.join(f'{name} = ?' for name in _KEY)}"  # noqa: S608 - the same
_INSERT = f"INSERT INTO verdict ({_COLUMNS}) VALUES ({', '.join('?' * (len(_KEY) + 4))})"  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts in one file; any number of threads and processes may read and write them at once.

    Attributes:
        path: The file. It is made with the first verdict.
    """

    path: Path

    def record(self, key: AlertKey, verdict: Verdict, *, by: str, note: str = "", at_ns: int | None = None) -> Entry:
        """Add a verdict; when this returns it is on disk.

        Args:
            key: The alert.
            verdict: What it was.
            by: Who says so: printable, not empty, at most ``MOST_BY`` characters.
            note: Why: at most ``MOST_NOTE`` characters, printable ones, tabs and new lines.
            at_ns: When, nanoseconds since 1970 UTC; by default now.

        Raises:
            DataError: A text that cannot be kept; a file that is damaged, busy or of another kind or version.
        """
        when = time.time_ns() if at_ns is None else at_ns
        entry = Entry(key=key, verdict=verdict, by=by.strip(), at_ns=when, note=note.strip())
        _check(entry)
        with self._opened("rwc") as database:
            database.execute("BEGIN IMMEDIATE")
            if _is_new(database):
                for statement in _TABLE:
                    database.execute(statement)
            _check_schema(database, self.path)
            database.execute(_INSERT, (*astuple(key), verdict.value, entry.by, entry.at_ns, entry.note))
            database.execute("COMMIT")
        return entry

    def latest(self) -> dict[AlertKey, Entry]:
        """The verdict that rules, by alert, in the order in which they were written.

        Raises:
            DataError: A file that is damaged, busy or of another kind or version.
        """
        return {entry.key: entry for entry in self._read(f"{_LATEST} ORDER BY number")}

    def history(self, key: AlertKey) -> tuple[Entry, ...]:
        """Every verdict on an alert, the first one first.

        Raises:
            DataError: As ``latest``.
        """
        return tuple(self._read(f"{_HISTORY} ORDER BY number", astuple(key)))

    def for_flights(self, flights: Iterable[FlightKey]) -> dict[FlightKey, tuple[Entry, ...]]:
        """The verdicts that rule, one an alert, by flight; flights without one are left out.

        Raises:
            DataError: As ``latest``.
        """
        wanted = set(flights)
        found: dict[FlightKey, list[Entry]] = {}
        for entry in self.latest().values():
            if entry.key.flight_key in wanted:
                found.setdefault(entry.key.flight_key, []).append(entry)
        return {flight: tuple(entries) for flight, entries in found.items()}

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[Entry]:
        if not self.path.exists():
            return []
        # Not read-only: whoever comes after a writer that was killed must roll its journal back.
        with self._opened("rw") as database:
            if _is_new(database):
                return []
            _check_schema(database, self.path)
            return [_entry(row) for row in database.execute(query, values)]

    @contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each call: none is shared between threads, or across a fork."""
        try:
            uri = f"{self.path.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)) as database:
                yield database
        except sqlite3.Error as error:
            raise DataError(
                f"{self.path}: expected a store of verdicts that can be read and written, got {error}; "
                "check the file and its folder"
            ) from error


def open_verdicts(path: Path) -> Verdicts:
    """The verdicts in a file, which need not be there yet; one that is there is looked at.

    Raises:
        DataError: It is damaged, busy or of another kind or version.
    """
    verdicts = Verdicts(path)
    verdicts.history(AlertKey("", "", "", "", 0, ""))
    return verdicts


def _is_new(database: sqlite3.Connection) -> bool:
    return not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


def _check_schema(database: sqlite3.Connection, path: Path) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION:
        raise DataError(f"{path}: expected a store of verdicts, got another sqlite database; name the right file")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA:
        raise DataError(
            f"{path}: expected schema {SCHEMA} of verdicts, got {version}; use the version of ground that wrote it"
        )


def _entry(row: tuple[Any, ...]) -> Entry:
    verdict, by, at_ns, note = row[len(_KEY) :]
    try:
        return Entry(key=AlertKey(*row[: len(_KEY)]), verdict=Verdict(verdict), by=by, at_ns=at_ns, note=note)
    except ValueError as error:
        raise sqlite3.DatabaseError(str(error)) from error


def _check(entry: Entry) -> None:
    for name in _KEY:
        value = getattr(entry.key, name)
        if isinstance(value, str):
            _check_text(name, value, most=MOST_NAME)
    _check_text("by", entry.by, most=MOST_BY)
    _check_text("note", entry.note, most=MOST_NOTE)
    if not entry.by or not entry.by.isprintable():
        raise DataError(f"by: expected a name in printable characters, got {entry.by!r:.80}; say who you are")
    hidden = [char for char in entry.note if not char.isprintable() and char not in "\n\t"]
    if hidden:
        raise DataError(f"note: expected printable text, got {hidden[0]!r} in it; leave it out")
    for name, number in (("seq", entry.key.seq), ("at_ns", entry.at_ns)):
        if not _LEAST <= number <= _MOST:
            raise DataError(f"{name}: expected a whole number of 64 bits, got {number}; correct it")


def _check_text(name: str, text: str, *, most: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{name}: expected Unicode text, got {text!r:.80}; correct its encoding") from error
    if len(text) > most:
        raise DataError(f"{name}: expected at most {most} characters, got {len(text)}; shorten it")
