"""Marks: what preprocessing found in a recording and what it means for training; samples themselves stay untouched."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ground.errors import DataError

MARKS_NAME = "marks.parquet"

OUTLIER = "outlier"
LEVEL_CHANGE = "level_change"
MISSING = "missing"
SENSOR_QUALITY = "sensor_quality"
GAP = "gap"

EXCLUDED_FROM_FIT = "excluded_from_fit"
KEPT = "kept"
NOT_ASSESSED = "not_assessed"
NEW_STRETCH = "new_stretch"

_SCHEMA = pa.schema(
    [
        ("recording_id", pa.string()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("kind", pa.string()),
        ("action", pa.string()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One span of a recording that stands out.

    Attributes:
        recording_id: The recording.
        start_ns: Source time of its first sample.
        end_ns: Source time just after its last sample.
        kind: ``outlier``, ``level_change``, ``missing``, ``sensor_quality`` or ``gap``.
        action: ``excluded_from_fit``, ``kept``, ``not_assessed`` or ``new_stretch``.
        detail: What was found, for the reader.
    """

    recording_id: str
    start_ns: int
    end_ns: int
    kind: str
    action: str
    detail: str


def marks_bytes(marks: Iterable[Mark]) -> bytes:
    """Marks as a Parquet file; the same marks give the same bytes."""
    rows = [astuple(mark) for mark in marks]
    columns = zip(*rows, strict=True) if rows else ([] for _ in fields(Mark))
    table = pa.table([pa.array(column, kind.type) for column, kind in zip(columns, _SCHEMA, strict=True)], _SCHEMA)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_marks(path: Path) -> tuple[Mark, ...]:
    """Read the marks that preprocessing left.

    Raises:
        DataError: Missing, damaged or of another layout.
    """
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected the marks of preprocessing, got {error}; preprocess again") from error
    if not table.schema.equals(_SCHEMA):
        expected, got = ", ".join(_SCHEMA.names), ", ".join(table.column_names)
        raise DataError(f"{path}: expected columns {expected}, got {got}; preprocess again")
    return tuple(Mark(**row) for row in table.to_pylist())
