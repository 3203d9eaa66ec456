"""Results of batch runs in a workspace: which there are, and what made each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ground.batch_record import UNKNOWN, BatchRecord, read_record
from ground.errors import DataError
from ground.report.batch_results import COLUMNS, BatchResults, read_results

MOST_FILES: Final = 200
"""Results that are listed, the newest; what is beyond is counted."""

_KEPT = 8
_PLACES = ("*.parquet", "*/*.parquet")
"""Results lie where `--output` put them: in the workspace, or in a folder of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile:
    """One file of results.

    Attributes:
        name: Its path in the workspace, with ``/``.
        path: Where it lies.
        written_ns: When, nanoseconds since 1970 UTC.
        rows: Windows in it.
        record: What made it.
        fault: What cannot be read of the record beside it; empty where all can.
    """

    name: str
    path: Path
    written_ns: int
    rows: int
    record: BatchRecord
    fault: str


def batches_in(root: Path) -> tuple[tuple[BatchFile, ...], int]:
    """The results in a workspace, newest first, and how many more there are."""
    paths = {path for place in _PLACES for path in root.glob(place) if not path.name.startswith(".")}
    stamped = sorted(((path.stat().st_mtime_ns, path) for path in paths if path.is_file()), reverse=True)
    found = [each for _, path in stamped for each in _file(root, path)]
    return tuple(found[:MOST_FILES]), len(found[MOST_FILES:])


def find_batch(root: Path, name: str) -> BatchFile:
    """The results of a name that ``batches_in`` lists.

    Raises:
        DataError: There are none.
    """
    found = [each for each in batches_in(root)[0] if each.name == name]
    if not found:
        raise DataError(
            f"{name}: expected results of `ground batch` in the workspace, got none; they may have been removed"
        )
    return found[0]


def results_of(batch: BatchFile) -> BatchResults:
    """What is in a file of results; kept until the file changes.

    Raises:
        DataError: It is damaged.
    """
    status = batch.path.stat()
    return _results(batch.path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=_KEPT)
def _results(path: Path, changed_ns: int, n_byte: int) -> BatchResults:
    del changed_ns, n_byte
    return read_results(path)


def _file(root: Path, path: Path) -> tuple[BatchFile, ...]:
    """The file; nothing where it holds something else."""
    name = path.relative_to(root).as_posix()
    try:
        about = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        rows, record, fault = 0, UNKNOWN, f"expected a Parquet file, got {error!s:.100}; run the batch again"
    else:
        if not set(COLUMNS) <= set(about.schema.to_arrow_schema().names):
            return ()
        rows = about.num_rows
        record, fault = _record(path)
    return (BatchFile(name=name, path=path, written_ns=path.stat().st_mtime_ns, rows=rows, record=record, fault=fault),)


def _record(path: Path) -> tuple[BatchRecord, str]:
    try:
        return read_record(path), ""
    except DataError as error:
        return UNKNOWN, str(error)
