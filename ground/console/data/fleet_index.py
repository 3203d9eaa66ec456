"""The dataset as the pages ask it: small tables in memory, and the files behind them for what is larger.

A look (``refresh``) reads the files that have come and forgets those that are gone; no page waits for it. Files are
never changed, so that each is read once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from edge_agent.frame import NS_PER_S
from ground.console.data.derived import DERIVED, OF_VERDICTS, query_of
from ground.console.data.files import DataFile, Scan, scan
from ground.console.data.intake import INTAKES
from ground.console.data.tables import TABLES, VERDICT
from ground.errors import DataError
from ground.fleet.collect.kinds import Kind
from ground.fleet.verdicts import VERDICTS_FILE, Verdicts

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 2,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""It writes nothing, and fetches nothing."""
_LISTED: Final = (*INTAKES, Kind.EVIDENCE_DATA, Kind.SHADOW, Kind.DRIFT)
"""Kinds whose files are known; those without an intake are read when a page asks for them."""
_SHOWN: Final = 200
_DAY_NS: Final = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Read:
    """What a look has read: numbers and odd messages by file, rows by table."""

    numbers: dict[DataFile, int] = field(default_factory=dict)
    odd: dict[DataFile, int] = field(default_factory=dict)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)


class FleetIndex:
    """What is known of a fleet; ``cursor`` may be asked from any thread.

    Args:
        root: The dataset.
        days: Days that are looked at.
    """

    def __init__(self, root: Path, *, days: int) -> None:
        self.root = root
        self.verdicts = Verdicts(root / VERDICTS_FILE)
        self._days = days
        self._lock = threading.Lock()
        self._numbers: dict[DataFile, int] = {}
        self._next = 0
        self._faults: dict[DataFile, str] = {}
        self._odd: dict[DataFile, int] = {}
        self._scan = Scan((), "", 0)
        self._said: tuple[str, ...] = ()
        self._trouble = ""
        self._verdict_lock = threading.Lock()
        self._derive_lock = threading.Lock()
        self._verdict_trouble = ""
        self._verdict_stamp: tuple[int, int] = (0, 0)
        self._database = duckdb.connect(":memory:", config=_SETTINGS)
        for name, schema in TABLES.items():
            self._create(name, schema)
        self._derive(DERIVED)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one question: to tables of ``ground.console.data.tables`` and ``derived``."""
        return self._database.cursor()

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._database.close()

    @property
    def since(self) -> str:
        """The first day that is looked at; empty where all are."""
        return self._scan.since

    @property
    def banners(self) -> tuple[str, ...]:
        """What whoever looks must know of the data before they believe it."""
        return self._said

    def files(self, kind: Kind, *, folder: str = "", since: str = "", until: str = "") -> list[str]:
        """Readable files of a kind, for ``read_parquet``.

        Args:
            kind: What they hold.
            folder: Of the source, such as ``aircraft=OO-ABC``; empty for all.
            since: First day; empty for all.
            until: Last day; empty for all.
        """
        return [
            str(file.path)
            for file in self._scan.files
            if file.kind is kind
            and file not in self._faults
            and (not folder or file.path.parent.parent.name == folder)
            and since <= file.date <= (until or file.date)
        ]

    def refresh(self) -> bool:
        """Look at the dataset once; whether there was anything new.

        Raises:
            duckdb.Error: There is no memory.
        """
        with self._lock:
            before = self._said
            changed = self._look()
            changed = self.refresh_verdicts() or changed
            self._said = self._banners()
            return changed or self._said != before

    def _look(self) -> bool:
        try:
            found = scan(self.root, _LISTED, days=self._days)
        except OSError as error:
            where = error.filename or self.root
            self._trouble = f"The dataset cannot be read, {where}: {error.strerror}. You see it as it was before."
            return False
        self._trouble = ""
        files = set(found.files)
        gone = [file for file in (*self._numbers, *self._faults) if file not in files]
        # Those that could not be read are tried again: somebody may have put a whole one in their place.
        come = [file for file in found.files if file.kind in INTAKES and file not in self._numbers]
        read = self._read(come)
        if not gone and not read.numbers:
            is_new = found.files != self._scan.files
            self._scan = found
            return is_new
        with_new = self._database.cursor()
        with_new.execute("BEGIN")
        # The new ones first, in one step with the old ones: compaction never makes an alert vanish for a moment.
        for name, tables in read.tables.items():
            together = pa.concat_tables(tables)
            with_new.execute(f"INSERT INTO {name} BY NAME SELECT * FROM together")  # noqa: S608 - a name of TABLES
            del together
        for file in gone:
            number = self._numbers.get(file, -1)
            with_new.execute(f"DELETE FROM {INTAKES[file.kind].table} WHERE file = ?", [number])  # noqa: S608 - the same
        with_new.execute("COMMIT")
        # Only now: what could not be taken in is tried again at the next look.
        self._numbers |= read.numbers
        self._odd |= read.odd
        for file in gone:
            for known in (self._numbers, self._faults, self._odd):
                known.pop(file, None)
        self._derive(DERIVED)
        self._scan = found
        return True

    def _read(self, files: Sequence[DataFile]) -> _Read:
        read = _Read()
        for file in files:
            intake = INTAKES[file.kind]
            try:
                rows = intake.read(file)
            except FileNotFoundError:
                # Compaction was quicker; the next look finds the file that took its place.
                continue
            except DataError as error:
                self._faults[file] = str(error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever lies in one file, the others are looked at
                self._faults[file] = f"{file.path}: expected a file of the dataset, got {error!r:.100}; move it away"
                continue
            self._faults.pop(file, None)
            read.numbers[file] = self._next
            read.odd[file] = rows.odd
            numbers = pa.array([self._next] * len(rows.table), pa.int64())
            read.tables.setdefault(intake.table, []).append(rows.table.append_column("file", numbers))
            self._next += 1
        return read

    def refresh_verdicts(self) -> bool:
        """Read the verdicts again, such as after one was written; whether there are other ones."""
        with self._verdict_lock:
            stamp = _stamp(self.verdicts.path)
            if stamp == self._verdict_stamp:
                return False
            try:
                self._take_verdicts()
            except DataError as error:
                # Tried again at the next look: a store that is busy, or that nobody may read, leaves no other stamp.
                self._verdict_trouble = f"The verdicts cannot be read. {error}"
                return False
            self._verdict_trouble = ""
            self._verdict_stamp = stamp
            return True

    def _take_verdicts(self) -> None:
        rows = [
            {"alert_id": key.alert_id, "verdict": entry.verdict.value, "said_by": entry.by, "at_ns": entry.at_ns,
             "note": entry.note}
            for key, entry in self.verdicts.latest().items()
        ]  # fmt: skip
        said = pa.Table.from_pylist(rows, schema=VERDICT)
        cursor = self._database.cursor()
        cursor.execute("BEGIN")
        cursor.execute("DELETE FROM verdict")
        cursor.execute("INSERT INTO verdict BY NAME SELECT * FROM said")
        cursor.execute("COMMIT")
        del said
        self._derive(OF_VERDICTS)

    def _derive(self, names: Sequence[str]) -> None:
        """Make tables anew, in one step: a page sees all of them as they were, or as they are."""
        believed_ns = time.time_ns() + _DAY_NS
        with self._derive_lock, self._database.cursor() as cursor:
            cursor.execute("BEGIN")
            for name in names:
                cursor.execute(f"CREATE OR REPLACE TABLE {name} AS {query_of(name, believed_ns=believed_ns)}")
            cursor.execute("COMMIT")

    def _create(self, name: str, schema: pa.Schema) -> None:
        empty = schema.empty_table()
        self._database.execute(f"CREATE TABLE {name} AS SELECT * FROM empty")  # noqa: S608 - a name of TABLES
        del empty

    def _banners(self) -> tuple[str, ...]:
        said = [text for text in (self._trouble, self._verdict_trouble) if text]
        if self._faults:
            first = next(iter(self._faults.values()))
            n = len(self._faults)
            files = "1 file of the dataset is" if n == 1 else f"{n} files of the dataset are"
            said.append(f"{files} left out. {first[:_SHOWN]}")
        if odd := sum(self._odd.values()):
            messages = "1 message is" if odd == 1 else f"{odd} messages are"
            said.append(f"{messages} left out: of a format that this version does not know.")
        if self._scan.older:
            n = self._scan.older
            days = "1 older day of the dataset is" if n == 1 else f"{n} older days of the dataset are"
            said.append(f"{days} not looked at (--days {self._days}).")
        return tuple(said)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)
