"""The dataset that collectors write: reading it, each message once, and making few files of many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ground.errors import DataError
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.locks import lock_alone, locked_partition
from ground.fleet.collect.parts import SUFFIX, path_name, write_table
from ground.fleet.collect.rows import DOCUMENT_KEY, DOCUMENT_SCHEMA, WINDOW_KEY, WINDOW_SCHEMA, distinct

COMPACTED: Final = "all"
"""Files that were made of others begin so."""
_NAME_DIGITS = 20
_DATE = "date="


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        table: The rows, each message once.
        skipped: Files that could not be read, and why.
    """

    table: pa.Table
    skipped: tuple[str, ...]


def read_dataset(
    root: Path, kind: Kind, *, source: str = "", since: str = "", until: str = "", columns: Sequence[str] = ()
) -> Reading:
    """Read messages of one kind.

    A message that came twice, because an agent or the broker sent it again, counts once, in whichever files it lies. A
    file that is damaged or of another schema is told of, and the others are read.

    Args:
        root: The dataset.
        kind: What to read.
        source: Name of the aircraft (of the agent, for what agents say of themselves); empty for all.
        since: First day, ``YYYY-MM-DD``; empty for all.
        until: Last day; empty for all.
        columns: What to keep; empty for all columns.

    Raises:
        DataError: There is no such folder.
    """
    schema, key = schema_of(kind)
    _check_root(root)
    wanted = [name for name in schema.names if not columns or name in (*key, *columns)]
    tables, skipped = [pa.schema([schema.field(name) for name in wanted]).empty_table()], []
    for folder in _folders(root, kind, source, since, until):
        read, faults = _read_folder(folder, schema, wanted)
        tables += read
        skipped += faults
    table = distinct(pa.concat_tables(tables), key)
    return Reading(table.select(list(columns)) if columns else table, tuple(skipped))


@dataclass(frozen=True, slots=True)
class Partition:
    """The messages of one folder, each once.

    Attributes:
        date: Its day, ``YYYY-MM-DD``.
        table: The rows.
        skipped: Files that could not be read, and why.
    """

    date: str
    table: pa.Table
    skipped: tuple[str, ...]


def read_partitions(root: Path, kind: Kind, *, columns: Sequence[str]) -> Iterator[Partition]:
    """Read messages of one kind, a folder (a source and a day) at a time, so that no more than that is in memory.

    A message that lies in two folders comes twice: who adds up must know what was counted.

    Args:
        root: The dataset.
        kind: What to read.
        columns: What to keep.

    Raises:
        DataError: There is no such folder.
    """
    schema, key = schema_of(kind)
    _check_root(root)
    wanted = [name for name in schema.names if name in (*key, *columns)]
    empty = pa.schema([schema.field(name) for name in wanted]).empty_table()
    for folder in _folders(root, kind, "", "", ""):
        tables, faults = _read_folder(folder, schema, wanted)
        table = distinct(pa.concat_tables([empty, *tables]), key)
        yield Partition(_day(folder), table.select(list(columns)), tuple(faults))


def compact(root: Path, *, before: str) -> int:
    """Make one file of the files of each partition that is older than a day, each message once.

    A kill leaves the old files, the new one, or both, which read the same.

    Args:
        root: The dataset.
        before: Partitions of this day and later ones are left alone: collectors write to them.

    Returns:
        Files that are gone.

    Raises:
        ConfigError: Another process does the same.
        DataError: A file cannot be read; its partition is as it was, the others are done.
        OSError: The disk refuses.
    """
    lock = lock_alone(root, where="--out", action="wait until it has ended")
    gone, faults = 0, []
    try:
        for folder in sorted(path for kind in Kind for path in (root / kind.value).glob(f"*/{_DATE}*")):
            if _day(folder) < before:
                try:
                    gone += _compact(folder)
                except DataError as error:
                    faults.append(str(error))
    finally:
        lock.close()
    if faults:
        raise DataError("\n".join(faults))
    return gone


def schema_of(kind: Kind) -> tuple[pa.Schema, tuple[str, ...]]:
    """Columns of a kind's files, and those that name a message."""
    return (WINDOW_SCHEMA, WINDOW_KEY) if kind.holds_windows else (DOCUMENT_SCHEMA, DOCUMENT_KEY)


def _check_root(root: Path) -> None:
    if not root.is_dir():
        raise DataError(f"{root}: expected the folder of a dataset, got none; `ground collect run --out` makes one")


def read_file(path: Path, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """The rows of one file of the dataset.

    Args:
        path: The file.
        schema: All columns of its kind.
        columns: What to read of them.

    Raises:
        DataError: It is damaged, or has other columns.
        FileNotFoundError: It is gone.
    """
    try:
        # Not as a dataset: the names of the folders are not to become columns.
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(schema):
            raise DataError(
                f"{path}: expected the columns of this version, got others; read it with the one that wrote it"
            )
        return file.read(columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            raise
        raise DataError(f"{path}: expected a Parquet file, got {error!s:.100}; move it away") from error


def _compact(folder: Path) -> int:
    with locked_partition(folder, alone=True):
        return _make_one(folder)


def _make_one(folder: Path) -> int:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if len(files) < 2:  # noqa: PLR2004 - one is few enough
        return 0
    kind = Kind(folder.parent.parent.name)
    schema, key = schema_of(kind)
    table = distinct(pa.concat_tables([read_file(path, schema, schema.names) for path in files]), key)
    name = hashlib.sha256("\n".join(path.name for path in files).encode()).hexdigest()[:_NAME_DIGITS]
    made = folder / f"{COMPACTED}-{name}{SUFFIX}"
    write_table(made, table)
    gone = [path for path in files if path != made]
    for path in gone:
        path.unlink()
    return len(gone)


def _read_folder(folder: Path, schema: pa.Schema, columns: Sequence[str]) -> tuple[list[pa.Table], list[str]]:
    """The tables of a partition, and faults of its other files."""
    while True:
        tables, faults = [], []
        try:
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                try:
                    tables.append(read_file(path, schema, columns))
                except DataError as error:
                    faults.append(str(error))
        except FileNotFoundError:
            # Compaction has put another file in the place of this one: all of them are listed again.
            continue
        return tables, faults


def _folders(root: Path, kind: Kind, source: str, since: str, until: str) -> Iterator[Path]:
    named = f"*={path_name(source)}" if source else "*"
    for folder in sorted((root / kind.value).glob(f"{named}/{_DATE}*")):
        if since <= _day(folder) <= (until or _day(folder)):
            yield folder


def _day(folder: Path) -> str:
    return folder.name.removeprefix(_DATE)
