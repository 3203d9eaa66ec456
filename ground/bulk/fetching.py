"""A recording of a store as one file of this machine, for as long as it is read."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ground.bulk.scratch import scratch
from ground.bulk.store import Store
from ground.bulk.urls import line_of
from ground.errors import DataError, GroundError, StoreError
from ground.index_cells import HEALTHY, PARQUET
from ground.recording_files import INTERIM_KEY, RATE_KEY, TIME
from ground.recording_index import RecordingInfo

_ROWS_AT_ONCE = 1 << 16
_CHUNK_BYTES = 1 << 20
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Local:
    """A recording at hand: a folder of this machine, and the recording's row with its file in it."""

    folder: Path
    info: RecordingInfo


@contextmanager
def at_hand(store: Store, info: RecordingInfo, files: Sequence[str]) -> Iterator[Local]:
    """A recording's files as one, fetched and joined where need be; errors in the block name the store.

    Who asks a detector needs no labels: the row says healthy, so that none are looked for.

    Args:
        store: Where they lie.
        info: The recording.
        files: Its files in their order.

    Raises:
        DataError: A file cannot be read, has other columns than the first, or their order is not known.
        StoreError: The store does not answer, or the disk of this machine takes no more.
    """
    if store.is_local and len(files) == 1:
        yield Local(Path(store.url), replace(info, file=files[0], label=HEALTHY))
        return
    with scratch() as folder:
        joined = f"recording{PurePosixPath(files[0]).suffix.lower()}"
        try:
            _join(store, files, folder, folder / joined)
            yield Local(folder, replace(info, file=joined, label=HEALTHY))
        except GroundError as error:
            shown = files[0] if len(files) == 1 else str(PurePosixPath(files[0]).parent)
            raise type(error)(str(error).replace(str(folder / joined), store.where(shown))) from error


def _join(store: Store, files: Sequence[str], folder: Path, target: Path) -> None:
    if len(files) == 1:
        store.fetch(files[0], target)
        return
    _check_kinds(store, files)
    join = _join_parquet if target.suffix == PARQUET else _join_csv
    join(store, files, folder, target)


def _check_kinds(store: Store, files: Sequence[str]) -> None:
    first = PurePosixPath(files[0]).suffix.lower()
    other = next((name for name in files if PurePosixPath(name).suffix.lower() != first), "")
    if other:
        raise DataError(
            f"{store.where(other)}: expected a {first} file as the recording's first, got another kind; convert it"
        )


def _join_parquet(store: Store, files: Sequence[str], folder: Path, target: Path) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for name in files:
            with _fetched(store, name, folder) as path, _parquet(store, name, path) as file:
                if writer is None:
                    _check_order(store, files, has_time=TIME in file.schema_arrow.names)
                    writer = pq.ParquetWriter(target, file.schema_arrow)
                expected, found = (_told(schema) for schema in (writer.schema, file.schema_arrow))
                _check_columns(store, name, expected, found)
                for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                    writer.write_batch(batch.select(writer.schema.names))
    finally:
        if writer is not None:
            writer.close()


def _told(schema: pa.Schema) -> list[str]:
    rate = (schema.metadata or {}).get(RATE_KEY, b"").decode("utf-8", "replace")
    return [*sorted(f"{field.name}: {field.type}" for field in schema), *([f"metadata: {rate} Hz"] if rate else [])]


@contextmanager
def _parquet(store: Store, name: str, path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            if INTERIM_KEY in (file.schema_arrow.metadata or {}):
                raise DataError(
                    f"{store.where(name)}: expected raw samples where a recording has several files, got an interim "
                    "one; give each recording one file"
                )
            yield file
    except (OSError, pa.ArrowException) as error:
        got = line_of(error)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StoreError(f"{store.where(name)}: expected room to join it, got {got}; set TMPDIR") from error
        raise DataError(f"{store.where(name)}: expected a complete Parquet file, got {got}; copy it again") from error


def _join_csv(store: Store, files: Sequence[str], folder: Path, target: Path) -> None:
    columns: tuple[str, ...] = ()
    with target.open("wb") as sink:
        for name in files:
            with _fetched(store, name, folder) as path, path.open("rb") as stream:
                header = stream.readline()
                found = tuple(header.decode("utf-8-sig", "replace").strip().split(","))
                if not columns:
                    _check_order(store, files, has_time=TIME in found)
                    columns = found
                    sink.write(header.rstrip(b"\r\n") + b"\n")
                _check_columns(store, name, columns, found)
                _copy_lines(stream, sink)


def _copy_lines(stream: BinaryIO, sink: BinaryIO) -> None:
    """Copy the rest of a file; its last line ends, so that another file may follow."""
    last = b"\n"
    while chunk := stream.read(_CHUNK_BYTES):
        sink.write(chunk)
        last = chunk[-1:]
    if last != b"\n":
        sink.write(b"\n")


def _check_order(store: Store, files: Sequence[str], *, has_time: bool) -> None:
    """Without stamps, the order of the names is all that tells the order of the samples."""
    by_number = sorted(files, key=_numbered)
    wrong = next((pair for pair in zip(files, by_number, strict=True) if pair[0] != pair[1]), None)
    if wrong and not has_time:
        raise DataError(
            f"{store.where(wrong[0])}: expected names that have one order, got {PurePosixPath(wrong[1]).name} before "
            f"it by number and after it by letter; pad the numbers with zeros, or add {TIME}"
        )


def _numbered(name: str) -> list[int | str]:
    """The name with its numbers as numbers; text and numbers take turns."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBER.split(name))]


def _check_columns(store: Store, name: str, expected: Sequence[str], got: Sequence[str]) -> None:
    if expected != got:
        lacks = ", ".join(sorted(set(expected) - set(got))) or "none"
        more = ", ".join(sorted(set(got) - set(expected))) or "none"
        raise DataError(
            f"{store.where(name)}: expected the columns of the recording's first file in their order, got others "
            f"(missing: {lacks}; more: {more}); export all of them alike"
        )


@contextmanager
def _fetched(store: Store, name: str, folder: Path) -> Iterator[Path]:
    if store.is_local:
        yield store.path_of(name)
        return
    path = folder / f"part{PurePosixPath(name).suffix.lower()}"
    store.fetch(name, path)
    try:
        yield path
    finally:
        path.unlink()
