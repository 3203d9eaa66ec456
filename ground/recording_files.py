"""Sample files: Parquet or CSV into one Arrow table of the columns we know."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ground.errors import DataError, one_line
from ground.index_cells import PARQUET
from shared_features.groups import SHAFTS
from shared_features.spec import CONDITIONS

SEGMENT = "segment"
TIME = "time_s"
ANOMALY = "anomaly"
PHASE = "phase"
STRETCH = "stretch"
TACHS = tuple(f"tach_{shaft}" for shaft in SHAFTS)
KNOWN_COLUMNS = (SEGMENT, TIME, ANOMALY, PHASE, STRETCH, *CONDITIONS, *TACHS)

INTERIM_KEY = b"enginear"
RATE_KEY = b"sampling_rate_hz"
_COLUMN_NUMBER = re.compile(r"In CSV column #(\d+): ")
_PHASE_TYPE = pa.dictionary(pa.int32(), pa.string())
_CSV_TYPES = {SEGMENT: pa.int64(), ANOMALY: pa.int64(), PHASE: _PHASE_TYPE}
_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error)

BATCH_N = 1 << 16
"""Rows of a Parquet file that are read at once: enough for columns to be decoded fast, and little memory."""
BATCH_BYTES = 1 << 20
"""The same of a CSV file, in bytes."""


@dataclass(frozen=True, slots=True)
class SampleFile:
    """The known columns of one file, as they are stored.

    Attributes:
        path: The file, named in errors.
        columns: All its columns, the unknown ones included.
        table: The channels asked for and the known columns, as far as the file has them.
        stated_rate: Sampling rate that a Parquet file states in its metadata; empty where it states none.
        interim: Metadata that ``ground preprocess`` left; empty in a raw file.
    """

    path: Path
    columns: tuple[str, ...]
    table: pa.Table
    stated_rate: str
    interim: bytes

    @property
    def n_samples(self) -> int:
        """Samples of each column."""
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether the file has that column."""
        return column in self.table.column_names

    def numbers(self, column: str) -> NDArray[np.generic]:
        """A column of numbers, (n,), in its own type; NaN (and float64 for integers) where a value is missing.

        Raises:
            DataError: No such column, or one of another kind.
        """
        if not self.has(column):
            raise DataError(
                f"{self.path}: {column}: expected a column of numbers, got columns {', '.join(self.columns)}; "
                "add it or correct the index"
            )
        values = self.table.column(column)
        if not _is_number(values.type):
            raise DataError(f"{self.path}: {column}: expected numbers, got {values.type}; convert the column")
        return np.asarray(values.to_numpy())


def unreadable(path: Path) -> SampleFile:
    """Stands for a file that cannot be read: no columns, no samples."""
    return SampleFile(path, (), pa.table({}), "", b"")


def read_samples(path: Path, channels: Sequence[str]) -> SampleFile:
    """Read the channels and the known columns of a file, as a whole.

    Args:
        path: A Parquet file, or CSV with one header line and empty cells or NaN for missing values.
        channels: Names of the sample columns.

    Raises:
        DataError: Missing, empty, truncated, or not of its format.
    """
    read = _read_parquet if path.suffix.lower() == PARQUET else _read_csv
    try:
        return read(path, (*channels, *KNOWN_COLUMNS))
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def sample_batches(path: Path, channels: Sequence[str], *, only: bool = False) -> Iterator[SampleFile]:
    """The same file some rows at a time; one without rows gives an empty batch.

    Args:
        path: As for ``read_samples``.
        channels: Names of the sample columns.
        only: Whether the known columns are left out.

    Raises:
        DataError: As of ``read_samples``, at the latest when the damage is met.
    """
    read = _parquet_batches if path.suffix.lower() == PARQUET else _csv_batches
    try:
        yield from read(path, channels if only else (*channels, *KNOWN_COLUMNS))
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def column_names(path: Path) -> tuple[str, ...]:
    """The names of a file's columns.

    Raises:
        DataError: As of ``read_samples``.
    """
    try:
        return _parquet_head(path).columns if path.suffix.lower() == PARQUET else _different(path, _csv_header(path))
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    kind = "Parquet" if path.suffix.lower() == PARQUET else "CSV"
    return DataError(f"{path}: expected a complete {kind} file, got {_readable(error, path)}; export or copy it again")


def _read_parquet(path: Path, wanted: Sequence[str]) -> SampleFile:
    head = _parquet_head(path)
    with pq.ParquetFile(path, read_dictionary=_dictionaries(head)) as file:
        table = file.read([name for name in dict.fromkeys(wanted) if name in head.columns])
    return replace(head, table=truths_as_numbers(table))


def _parquet_batches(path: Path, wanted: Sequence[str]) -> Iterator[SampleFile]:
    head = _parquet_head(path)
    names = [name for name in dict.fromkeys(wanted) if name in head.columns]
    with pq.ParquetFile(path, read_dictionary=_dictionaries(head), pre_buffer=False) as file:
        if not file.metadata.num_rows:
            yield replace(head, table=head.table.select(names))
        for batch in file.iter_batches(BATCH_N, columns=names, use_threads=False):
            if not batch.num_rows:
                continue
            yield replace(head, table=truths_as_numbers(pa.Table.from_batches([batch])))


def _parquet_head(path: Path) -> SampleFile:
    """The file without its rows."""
    schema = pq.read_schema(path)
    columns = _different(path, tuple(schema.names))
    metadata = schema.metadata or {}
    rate = metadata.get(RATE_KEY, b"").decode("utf-8", "replace")
    return SampleFile(path, columns, schema.empty_table(), rate, metadata.get(INTERIM_KEY, b""))


def _dictionaries(head: SampleFile) -> list[str] | None:
    return [PHASE] if head.has(PHASE) else None


def _read_csv(path: Path, wanted: Sequence[str]) -> SampleFile:
    columns = _different(path, _csv_header(path))
    parse, convert = _csv_options(columns, wanted)
    table = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
    return SampleFile(path, columns, table, "", b"")


def _csv_batches(path: Path, wanted: Sequence[str]) -> Iterator[SampleFile]:
    columns = _different(path, _csv_header(path))
    parse, convert = _csv_options(columns, wanted)
    read = pyarrow.csv.ReadOptions(block_size=BATCH_BYTES, use_threads=False)
    with pyarrow.csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        is_empty = True
        for batch in reader:
            if batch.num_rows:
                is_empty = False
                yield SampleFile(path, columns, pa.Table.from_batches([batch]), "", b"")
        if is_empty:
            yield SampleFile(path, columns, reader.schema.empty_table(), "", b"")


def _csv_options(
    columns: Sequence[str], wanted: Sequence[str]
) -> tuple[pyarrow.csv.ParseOptions, pyarrow.csv.ConvertOptions]:
    names = [name for name in dict.fromkeys(wanted) if name in columns]
    # Types are stated, for Arrow guesses them from the first block: whole numbers there would refuse 0.5 further down.
    types = {name: _CSV_TYPES.get(name, pa.float64()) for name in names}
    # In a single column an empty line is a missing value; to skip it would shift all time after it.
    parse = pyarrow.csv.ParseOptions(ignore_empty_lines=len(columns) > 1)
    return parse, pyarrow.csv.ConvertOptions(column_types=types, include_columns=names)


def truths_as_numbers(table: pa.Table) -> pa.Table:
    """The table with truth values, of a tachometer or of labels, as 0 and 1."""
    for index, field in enumerate(table.schema):
        if field.name in (*TACHS, ANOMALY) and pa.types.is_boolean(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.int8()))
    return table


def _different(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(columns)) != len(columns):
        raise DataError(f"{path}: expected different column names, got {', '.join(columns)}; rename them")
    return columns


def _csv_header(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return tuple(next(csv.reader(stream), ()))


def _readable(error: Exception, path: Path) -> str:
    """The library's words in one line, with the name of a column in place of its number."""
    text = one_line(error)
    numbered = _COLUMN_NUMBER.match(text)
    if not numbered:
        return text
    return f"{_csv_header(path)[int(numbered[1])]}: {text[numbered.end() :]}"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
