"""Results of batch runs in a workspace: which there are, and what made each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ground.batch_record import UNKNOWN, BatchRecord, read_record
from ground.console.data.kept import Kept
from ground.errors import DataError
from ground.report.batch_results import COLUMNS, BatchResults, read_results

MOST_FILES: Final = 200
"""Results that are listed, the newest; files beyond are counted, and not opened."""

_MOST_KEPT: Final = 8
_PLACES = ("*.parquet", "*/*.parquet")
"""Results lie where `--output` put them: in the workspace, or in a folder of it."""
_kept: Final[Kept[tuple[Path, int, int], BatchResults]] = Kept(_MOST_KEPT)


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
    """The results in a workspace, newest first, and how many older Parquet files there are."""
    ordered = sorted(_stamped(root), reverse=True)
    found: list[BatchFile] = []
    for at, (written_ns, path) in enumerate(ordered):
        if len(found) == MOST_FILES:
            return tuple(found), len(ordered) - at
        found += _file(root, path, written_ns)
    return tuple(found), 0


def find_batch(root: Path, name: str) -> BatchFile:
    """The results of a name that ``batches_in`` lists.

    Raises:
        DataError: There are none.
    """
    named = [(path, written_ns) for written_ns, path in _stamped(root) if path.relative_to(root).as_posix() == name]
    found = [each for path, written_ns in named for each in _file(root, path, written_ns)]
    if not found:
        raise _gone(name)
    return found[0]


def results_of(batch: BatchFile) -> BatchResults:
    """What is in a file of results; kept until the file changes.

    Raises:
        DataError: It is damaged, or gone.
    """
    try:
        status = batch.path.stat()
    except OSError as error:
        raise _gone(batch.name) from error
    return _kept.of((batch.path, status.st_mtime_ns, status.st_size), partial(read_results, batch.path))


def _gone(name: str) -> DataError:
    return DataError(
        f"{name}: expected results of `ground batch` in the workspace, got none; they may have been removed"
    )


def _stamped(root: Path) -> Iterator[tuple[int, Path]]:
    """The Parquet files of a workspace, and when each was written; one that goes away meanwhile is none."""
    for path in {path for place in _PLACES for path in root.glob(place) if not path.name.startswith(".")}:
        with suppress(OSError):
            if path.is_file():
                yield path.stat().st_mtime_ns, path


def _file(root: Path, path: Path, written_ns: int) -> tuple[BatchFile, ...]:
    """The file; nothing where it holds something else, or is gone."""
    name = path.relative_to(root).as_posix()
    try:
        about = pq.read_metadata(path)
    except FileNotFoundError:
        return ()
    except (OSError, pa.ArrowException) as error:
        rows, record, fault = 0, UNKNOWN, f"expected a Parquet file, got {error!s:.100}; run the batch again"
    else:
        if not set(COLUMNS) <= set(about.schema.to_arrow_schema().names):
            return ()
        rows = about.num_rows
        record, fault = _record(path)
    return (BatchFile(name=name, path=path, written_ns=written_ns, rows=rows, record=record, fault=fault),)


def _record(path: Path) -> tuple[BatchRecord, str]:
    try:
        return read_record(path), ""
    except DataError as error:
        return UNKNOWN, str(error)
