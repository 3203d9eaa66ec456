"""Two ways to keep messages on disk until they have arrived: the journal of the product, and sqlite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.publication import Grade, Publication

_QUOTA_BYTES = 64 * 1024 * 1024


class Rival(Protocol):
    """A store that is written in batches, each on disk when the call returns."""

    def write(self, payloads: Sequence[bytes]) -> list[int]:
        """Keep payloads; gives their keys."""

    def acknowledge(self, keys: Sequence[int]) -> None:
        """Forget what has arrived."""

    def read(self) -> list[bytes]:
        """All payloads that have not arrived, oldest first."""

    def close(self) -> None:
        """Let go of the files."""


class Segments:
    """The journal of the product."""

    def __init__(self, folder: Path) -> None:
        self._store = JournalStore(folder, _QUOTA_BYTES)
        self._store.open()

    def write(self, payloads: Sequence[bytes]) -> list[int]:
        """Keep payloads; gives their keys."""
        publications = [Publication(topic="aircraft/OO-ABC/engine/1/result", payload=each) for each in payloads]
        return [record.number for record in self._store.write(Grade.RESULT, publications)]

    def acknowledge(self, keys: Sequence[int]) -> None:
        """Forget what has arrived."""
        self._store.acknowledge(RecordId(Grade.RESULT, key) for key in keys)

    def read(self) -> list[bytes]:
        """All payloads that have not arrived, oldest first."""
        return [publication.payload for _, publication in self._store.read(10**9, 10**12, ())]

    def close(self) -> None:
        """Let go of the files: none is open between calls."""


class Sqlite:
    """A table in a write-ahead log; ``synchronous`` is full, as less than that may lose a commit at a power cut."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "journal.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS record (number INTEGER PRIMARY KEY AUTOINCREMENT, grade INTEGER, topic TEXT, "
            "payload BLOB)"
        )

    def write(self, payloads: Sequence[bytes]) -> list[int]:
        """Keep payloads; gives their keys."""
        keys = []
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN")
            for payload in payloads:
                cursor.execute(
                    "INSERT INTO record (grade, topic, payload) VALUES (1, 'aircraft/OO-ABC/engine/1/result', ?)",
                    (payload,),
                )
                keys.append(int(cursor.lastrowid or 0))
            cursor.execute("COMMIT")
        return keys

    def acknowledge(self, keys: Sequence[int]) -> None:
        """Forget what has arrived."""
        self._database.execute("BEGIN")
        self._database.executemany("DELETE FROM record WHERE number = ?", [(key,) for key in keys])
        self._database.execute("COMMIT")

    def read(self) -> list[bytes]:
        """All payloads that have not arrived, oldest first."""
        return [row[0] for row in self._database.execute("SELECT payload FROM record ORDER BY number")]

    def close(self) -> None:
        """Let go of the files; the log is written back and removed."""
        self._database.close()


RIVALS: dict[str, type[Segments | Sqlite]] = {"segments": Segments, "sqlite": Sqlite}
