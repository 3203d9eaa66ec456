"""A batch of messages as files of the dataset: ``<kind>/aircraft=<name>/date=<day>/<collector>-<batch>.parquet``."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from edge_agent.journal_segment import sync_folder
from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.kinds import UNKNOWN, Origin, origin_of
from ground.fleet.collect.locks import locked_partition
from ground.fleet.collect.rows import (
    DOCUMENT_KEY,
    DOCUMENT_SCHEMA,
    WINDOW_KEY,
    WINDOW_SCHEMA,
    Dated,
    Row,
    distinct,
    document_row,
    fits,
    window_row,
)
from ground.workspace import replaced

SUFFIX: Final = ".parquet"
COMPRESSION: Final = "zstd"
_FAULT = "a fault of the collector"
_LONGEST_NAME = 200
_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Partition:
    """A folder of the dataset.

    Attributes:
        origin: Kind and source of its messages.
        date: Their day, ``YYYY-MM-DD``.
    """

    origin: Origin
    date: str

    def folder(self, root: Path) -> Path:
        """Where it lies in the dataset."""
        return (
            root / self.origin.kind.value / f"{self.origin.source}={path_name(self.origin.name)}" / f"date={self.date}"
        )


@dataclass(slots=True)
class Written:
    """What became of a batch.

    Attributes:
        rows: Rows that were written, by kind; those of ``refused`` are messages that no kind knows.
        repeated: Messages that had come before in the same batch.
        files: Files that were written.
        damaged: Messages lost to damage of the spool.
        reasons: Why messages were refused, and how many for each reason.
    """

    rows: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    files: int = 0
    damaged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def write_parts(messages: Iterable[Publication], root: Path, *, name: str, date: str, topics: TopicsSection) -> Written:
    """Write a batch to the dataset; the same batch under the same name gives the same files again.

    Args:
        messages: The batch.
        root: The dataset.
        name: Of the files: no other batch of the dataset may have it.
        date: Day of the messages that do not say theirs.
        topics: Tell the kinds apart.

    Raises:
        OSError: The disk refuses; all of it must be written again.
    """
    written = Written()
    partitions: defaultdict[Partition, list[Row]] = defaultdict(list)
    for message in messages:
        origin, dated = _row_of(message, date, topics, written)
        partitions[Partition(origin, dated.date)].append(dated.row)
    for partition, rows in list(partitions.items()):
        schema = WINDOW_SCHEMA if partition.origin.kind.holds_windows else DOCUMENT_SCHEMA
        _write(partition, _table(rows, schema, written), root, name, written)
    return written


def path_name(name: str) -> str:
    """A name as part of a path, whatever it holds; different names give different ones."""
    quoted = quote(name, safe="")
    if len(quoted) <= _LONGEST_NAME:
        return quoted
    return (
        f"{quoted[:_LONGEST_NAME]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:_NAME_DIGITS]}"
    )


def _row_of(message: Publication, date: str, topics: TopicsSection, written: Written) -> tuple[Origin, Dated]:
    origin = origin_of(message.topic, topics)
    if origin is UNKNOWN:
        return _refuse(message, date, "unknown topic", written)
    if not origin.kind.holds_windows:
        return origin, document_row(message, date)
    try:
        dated = window_row(message)
        reason = "" if _is_plain(dated.row) else fits(WINDOW_SCHEMA, dated.row)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - it was acknowledged: it would end this batch at each start, for ever
        reason = f"{_FAULT}: {error!r:.100}"
    return _refuse(message, date, reason, written) if reason else (origin, dated)


def _refuse(message: Publication, date: str, reason: str, written: Written) -> tuple[Origin, Dated]:
    written.reasons[reason.split(":", maxsplit=1)[0]] += 1
    return UNKNOWN, document_row(message, date, reason=reason)


def _is_plain(row: Row) -> bool:
    """Whether every value is of its column's type already, which is quicker found than by a table of one row."""
    return all(type(row[name]) is kind and (kind is not int or row[name] in _INT64) for name, kind in _PLAIN) and all(
        type(part["feature"]) is str and type(part["share"]) is float for part in row["contributions"]
    )


def _table(rows: Sequence[Row], schema: pa.Schema, written: Written) -> pa.Table:
    table = pa.Table.from_pylist(list(rows), schema=schema)
    unique = distinct(table, WINDOW_KEY if schema is WINDOW_SCHEMA else DOCUMENT_KEY)
    written.repeated += len(table) - len(unique)
    return unique


def _write(partition: Partition, table: pa.Table, root: Path, name: str, written: Written) -> None:
    folder = partition.folder(root)
    # Of a folder that is not there yet nothing can be made few of.
    with locked_partition(folder, alone=False) if folder.is_dir() else nullcontext():
        write_table(folder / f"{name}{SUFFIX}", table)
    written.files += 1
    written.rows[partition.origin.kind.value] += len(table)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table, and wait until both it and its name are on disk.

    Raises:
        OSError: The disk refuses.
    """
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.is_dir()]
    with replaced(path) as temporary:
        pq.write_table(table, temporary, compression=COMPRESSION)
    for folder in (path.parent, *(each.parent for each in missing)):
        sync_folder(folder)


_PYTHON_TYPES = {pa.string(): str, pa.int64(): int, pa.float64(): float, pa.bool_(): bool}
_INT64 = range(-(2**63), 2**63)
_PLAIN = tuple((column.name, _PYTHON_TYPES[column.type]) for column in WINDOW_SCHEMA if column.type in _PYTHON_TYPES)
