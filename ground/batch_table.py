"""The results of a batch run: a table of assessments that is written as it grows, never held as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
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

GROUP_N = 4 * ROWS_AT_ONCE
"""Rows of a row group of the table: some 15 MB while it waits, and few groups for the footer to name."""

_MOST_WAITING = 256
"""Batches that wait: one of two rows takes as much memory as one of hundreds, and short recordings make many."""

_REPEATED = ("recording_id", *_TEXT_COLUMNS, *_DIGEST_COLUMNS)
"""Columns of few values; in the others each row has its own, and a dictionary of them would only be in the way."""

_RANKED = [name for name in SCHEMA.names if name not in {"contributions", "assessment"}]
"""Columns whose least and greatest value in a row group say something; of long texts they would swell the footer."""


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one recording: an Arrow stream, the count of assessments and that of alarms raised."""

    data: bytes
    assessments: int
    alarms: int


def make_part(recording_id: str, assessments: Iterable[Assessment]) -> Part:
    """The results of one recording, packed while they come: the recording is never in memory, nor are its objects."""
    rows = alarms = 0
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.ipc.new_stream(sink, SCHEMA, options=options) as writer:
        for group in in_groups(assessments, ROWS_AT_ONCE):
            writer.write_table(results_table(recording_id, group))
            rows += len(group)
            alarms += sum(item.event == RAISED for item in group)
    return Part(sink.getvalue(), rows, alarms)


class ResultsWriter:
    """Joins parts to one table whose row groups do not depend on how it was cut; a context manager."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(
            path, SCHEMA, compression="zstd", use_dictionary=list(_REPEATED), write_statistics=_RANKED
        )
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, path: Path) -> None:
        """Append the part in a file."""
        options = pa.ipc.IpcReadOptions(use_threads=False)
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source, options=options) as batches:
            for batch in batches:
                self._take(batch)

    def _take(self, batch: pa.RecordBatch) -> None:
        """Write what fills the row group that waits; the rest waits."""
        while batch.num_rows:
            piece = batch.slice(0, GROUP_N - self._waiting_n)
            self._waiting.append(piece)
            self._waiting_n += piece.num_rows
            if self._waiting_n == GROUP_N:
                self._flush()
            elif len(self._waiting) == _MOST_WAITING:
                self._waiting = [pa.concat_batches(self._waiting)]
            batch = batch.slice(piece.num_rows)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()
            self._waiting_n = 0


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
