"""The results of a batch run: a table of assessments that is written as it grows, never held as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from edge_agent.assessment import Assessment, encode_assessment
from edge_agent.decision import RAISED
from ground.window_extraction import in_groups

_TEXT_COLUMNS = ("aircraft", "engine", "flight", "phase", "state", "reason", "event")
_DIGEST_COLUMNS = ("bundle_id", "bundle_digest", "spec_digest", "unit", "unit_shift")
SCHEMA = pa.schema(
    [
        ("recording_id", pa.string()),
        *[(name, pa.string()) for name in _TEXT_COLUMNS],
        *[(name, pa.int64()) for name in ("seq", "start_ns", "end_ns")],
        *[(name, pa.float64()) for name in ("score", "threshold")],
        ("contributions", pa.string()),
        *[(name, pa.string()) for name in _DIGEST_COLUMNS],
        ("assessment", pa.binary()),
    ]
)
"""Columns of a results table; ``assessment`` holds the msgpack bytes as they go over the wire."""

ROWS_AT_ONCE = 4096
"""Of so many assessments there are objects at a time: about 10 MB."""


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one recording: a Parquet file, the count of assessments and that of alarms raised."""

    data: bytes
    assessments: int
    alarms: int


def make_part(recording_id: str, assessments: Iterable[Assessment]) -> Part:
    """The results of one recording, packed while they come: the recording is never in memory, nor are its objects."""
    rows = alarms = 0
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for group in in_groups(assessments, ROWS_AT_ONCE):
            writer.write_table(results_table(recording_id, group))
            rows += len(group)
            alarms += sum(item.event == RAISED for item in group)
    return Part(sink.getvalue(), rows, alarms)


class ResultsWriter:
    """Joins parts to one table whose row groups do not depend on how it was cut; a context manager."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, path: Path) -> None:
        """Append the part in a file."""
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                for piece in self._filling(batch):
                    self._waiting.append(piece)
                    if sum(part.num_rows for part in self._waiting) == ROWS_AT_ONCE:
                        self._flush()

    def _filling(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch in two where the row group that waits is full before its end."""
        room = ROWS_AT_ONCE - sum(part.num_rows for part in self._waiting)
        yield batch.slice(0, room)
        if batch.num_rows > room:
            yield batch.slice(room)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


def results_table(recording_id: str, assessments: list[Assessment]) -> pa.Table:
    """Assessments as rows of a results table."""
    plain = {field.name for field in fields(Assessment)} & set(SCHEMA.names) - {"contributions"}
    columns: dict[str, list[object]] = {name: [getattr(item, name) for item in assessments] for name in plain}
    columns["recording_id"] = [recording_id] * len(assessments)
    columns["contributions"] = [
        json.dumps([[part.feature, part.share] for part in item.contributions]) for item in assessments
    ]
    columns["assessment"] = [encode_assessment(item) for item in assessments]
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
