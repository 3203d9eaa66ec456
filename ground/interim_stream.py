"""Interim files piece by piece: a recording of any length, in the memory of a few seconds of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ground.errors import DataError
from ground.index_cells import PARQUET
from ground.interim import cut_interim, stretch_borders, stretch_starts, wrong_count
from ground.recording import PhaseRun, RecordingStream, Stretch
from ground.recording_files import ANOMALY, INTERIM_KEY, KNOWN_COLUMNS, PHASE, STRETCH, SampleFile
from ground.recording_index import RecordingInfo
from ground.stated_samples import check_count
from ground.synchronise import sample_matrix

BATCH_N = 1 << 16
"""Samples read at once: enough for columns to be decoded fast, and little memory."""


def stream_interim(path: Path, info: RecordingInfo, *, conditions: Sequence[str], piece_n: int) -> RecordingStream:
    """A recording out of its interim file, piece by piece.

    Args:
        path: The file.
        info: Its row of the index.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        piece_n: Each piece but the last one of a stretch is a whole multiple of so many samples.

    Returns:
        The recording. Its stretches raise a ``DataError`` where the file is not what ``interim_bytes`` writes.
    """
    pieces = joined(_read(path, info, tuple(conditions)), piece_n)
    return RecordingStream(info, tuple(conditions), pieces)


def is_interim(path: Path) -> bool:
    """Whether a file is an interim one; what cannot be read is none."""
    try:
        return path.suffix.lower() == PARQUET and INTERIM_KEY in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def joined(parts: Iterator[Stretch], piece_n: int) -> Iterator[Stretch]:
    """The same samples in pieces that are whole multiples of ``piece_n``, but for the last one of each stretch.

    Args:
        parts: Pieces of any length, in the order of time.
        piece_n: Samples.
    """
    held: tuple[Stretch, ...] = ()
    for part in parts:
        if not part.first_n:
            yield from held
            held = ()
        piece = join_pieces((*held, part))
        whole_n = len(piece.samples) // piece_n * piece_n
        if whole_n:
            yield slice_piece(piece, 0, whole_n)
        held = (slice_piece(piece, whole_n, len(piece.samples)),) if whole_n < len(piece.samples) else ()
    yield from held


def _read(path: Path, info: RecordingInfo, conditions: tuple[str, ...]) -> Iterator[Stretch]:
    try:
        with pq.ParquetFile(path, read_dictionary=[PHASE]) as file:
            names = tuple(file.schema_arrow.names)
            stored = SampleFile(
                path, names, file.schema_arrow.empty_table(), "", file.schema_arrow.metadata[INTERIM_KEY]
            )
            if not file.metadata.num_rows:
                sample_matrix(info, stored)
            check_count(info, path, file.metadata.num_rows)
            cutter = _Cutter(info, stored, conditions)
            wanted = [name for name in dict.fromkeys((*info.channels, *KNOWN_COLUMNS)) if name in names]
            for table in _tables(file, wanted, info.channels):
                yield from cutter.cut(replace(stored, table=table))
            cutter.finish()
    except (OSError, pa.ArrowException) as error:
        got = " ".join(str(error).split()).removesuffix(".")
        raise DataError(f"{path}: expected a complete Parquet file, got {got}; export or copy it again") from error


def _tables(file: pq.ParquetFile, wanted: Sequence[str], channels: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a file, some at a time; columns that say one thing all along are not decoded for it."""
    for group in range(file.num_row_groups):
        same = _same_throughout(file, group, {STRETCH, PHASE, ANOMALY} & set(wanted) - set(channels))
        columns = [name for name in wanted if name not in same]
        for batch in file.iter_batches(BATCH_N, row_groups=[group], columns=columns, use_threads=False):
            table = pa.Table.from_batches([batch])
            for name, values in same.items():
                table = table.append_column(name, values.slice(0, len(batch)))
            yield table


def _same_throughout(file: pq.ParquetFile, group: int, names: AbstractSet[str]) -> dict[str, pa.Array]:
    """``BATCH_N`` times the value of each column that, by its statistics, has one in a row group, and none missing."""
    metadata = file.metadata.row_group(group)
    found = {}
    for index in range(metadata.num_columns):
        column = metadata.column(index)
        told = column.statistics if column.path_in_schema in names else None
        if told and told.has_min_max and told.has_null_count and not told.null_count and told.min == told.max:
            found[column.path_in_schema] = _repeated(told.min, file.schema_arrow.field(column.path_in_schema).type)
    return found


def _repeated(value: object, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(BATCH_N, dtype=np.int32)), pa.array([value]))
    return pa.array(np.full(BATCH_N, value), type=kind)


class _Cutter:
    """Cuts the rows of an interim file into its stretches, batch by batch."""

    def __init__(self, info: RecordingInfo, file: SampleFile, conditions: tuple[str, ...]) -> None:
        self._info = info
        self._file = file
        self._conditions = conditions
        self._start_ns = stretch_starts(file)
        self._open = -1
        self._open_id: object = None
        self._open_n = 0

    def cut(self, file: SampleFile) -> Iterator[Stretch]:
        """The pieces of the next rows."""
        first_n, ids = stretch_borders(file), file.numbers(STRETCH)
        continues = self._open >= 0 and ids[0] == self._open_id
        first = self._open if continues else self._open + 1
        last = first + first_n.size
        if last > self._start_ns.size:
            raise wrong_count(self._file, last)
        starts_ns = self._start_ns[first:last]
        for part in cut_interim(self._info, file, first_n, starts_ns, conditions=self._conditions):
            before_n = self._open_n if continues else 0
            yield replace(part, first_n=before_n)
            self._open_n = before_n + len(part.samples)
            continues = False
        self._open, self._open_id = last - 1, ids[-1]

    def finish(self) -> None:
        """Check that every stretch came.

        Raises:
            DataError: The metadata state more of them.
        """
        if self._open + 1 != self._start_ns.size:
            raise wrong_count(self._file, self._open + 1)


def join_pieces(parts: Sequence[Stretch]) -> Stretch:
    """Neighbouring pieces of one stretch as one piece."""
    first = parts[0]
    if len(parts) == 1:
        return first
    offsets = np.cumsum([0, *(len(part.samples) for part in parts)]).tolist()
    return replace(
        first,
        samples=np.concatenate([part.samples for part in parts]),
        conditions=np.concatenate([part.conditions for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        phases=_merged(
            [
                PhaseRun(offset + run.first_n, run.phase)
                for offset, part in zip(offsets, parts, strict=False)
                for run in part.phases
            ]
        ),
        tach={
            shaft: np.concatenate([part.tach[shaft] + offset for offset, part in zip(offsets, parts, strict=False)])
            for shaft in first.tach
        },
    )


def slice_piece(piece: Stretch, first_n: int, last_n: int) -> Stretch:
    """The samples from ``first_n`` to before ``last_n`` of a piece."""
    if (first_n, last_n) == (0, len(piece.samples)):
        return piece
    runs = [PhaseRun(max(0, run.first_n - first_n), run.phase) for run in piece.phases if run.first_n < last_n]
    begun = sum(run.first_n <= first_n for run in piece.phases)
    return replace(
        piece,
        samples=piece.samples[first_n:last_n],
        conditions=piece.conditions[first_n:last_n],
        labels=piece.labels[first_n:last_n],
        phases=tuple(runs[begun - 1 :]),
        tach={
            shaft: pulses[slice(*np.searchsorted(pulses, (first_n, last_n)))] - first_n
            for shaft, pulses in piece.tach.items()
        },
        first_n=piece.first_n + first_n,
    )


def _merged(runs: Sequence[PhaseRun]) -> tuple[PhaseRun, ...]:
    """The runs without those that go on with the phase before."""
    kept = [run for before, run in itertools.pairwise(runs) if run.phase != before.phase]
    return (runs[0], *kept)
