"""Interim files piece by piece: a recording of any length, in the memory of a few seconds of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ground.errors import DataError, one_line
from ground.index_cells import PARQUET
from ground.interim import PAGE_N, cut_interim, stretch_borders, stretch_starts, wrong_count
from ground.recording import PhaseRun, RecordingStream, Stretch
from ground.recording_files import ANOMALY, INTERIM_KEY, KNOWN_COLUMNS, PHASE, STRETCH, SampleFile
from ground.recording_index import RecordingInfo
from ground.stated_samples import check_count
from ground.synchronise import PhaseRuns, phase_runs, sample_matrix

BATCH_N = PAGE_N
"""Samples read at once: a page of each column, and little memory."""

_STEADY_KINDS: Final = {STRETCH: int, PHASE: str, ANOMALY: int}
"""Columns that often say one thing all along, and what they say."""


def stream_interim(
    path: Path, footer: pq.FileMetaData, info: RecordingInfo, *, conditions: Sequence[str], piece_n: int
) -> RecordingStream:
    """A recording out of its interim file, piece by piece.

    Args:
        path: The file.
        footer: What ``interim_footer`` says of it.
        info: Its row of the index.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        piece_n: Each piece but the last one of a stretch is a whole multiple of so many samples.

    Returns:
        The recording. Its stretches raise a ``DataError`` where the file is not what ``interim_bytes`` writes.
    """
    pieces = joined(_read(path, footer, info, tuple(conditions)), piece_n)
    return RecordingStream(info, tuple(conditions), pieces)


def interim_footer(path: Path) -> pq.FileMetaData | None:
    """The footer of an interim file; None for any other, and for what cannot be read."""
    if path.suffix.lower() != PARQUET:
        return None
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return None
    return footer if INTERIM_KEY in (footer.metadata or {}) else None


def joined(parts: Iterator[Stretch], piece_n: int) -> Iterator[Stretch]:
    """The same samples in pieces that are whole multiples of ``piece_n``, but for the last one of each stretch.

    Only what lies across the border of two parts is copied.

    Args:
        parts: Pieces of any length, in the order of time.
        piece_n: Samples.
    """
    held: list[Stretch] = []
    for part in parts:
        if held and not part.first_n:
            yield join_pieces(held)
            held = []
        n, begin_n = len(part.samples), 0
        if held:
            begin_n = min(piece_n - sum(len(each.samples) for each in held), n)
            held.append(slice_piece(part, 0, begin_n))
            if sum(len(each.samples) for each in held) < piece_n:
                continue
            yield join_pieces(held)
            held = []
        end_n = n - (n - begin_n) % piece_n
        if begin_n < end_n:
            yield slice_piece(part, begin_n, end_n)
        if end_n < n:
            held = [slice_piece(part, end_n, n)]
    if held:
        yield join_pieces(held)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows of an interim file: its columns, but for those in ``steady``, which have one value in all of them."""

    file: SampleFile
    steady: Mapping[str, Any]

    @property
    def stretches(self) -> tuple[NDArray[np.int64], object, object]:
        """(n,) rows at which a stretch begins, the first included; the number of the first stretch, and of the last."""
        if STRETCH in self.steady:
            return np.zeros(1, dtype=np.int64), self.steady[STRETCH], self.steady[STRETCH]
        ids = self.file.numbers(STRETCH)
        return stretch_borders(self.file), ids[0], ids[-1]

    @property
    def phases(self) -> PhaseRuns:
        """The phases of the rows."""
        return PhaseRuns.of_one(self.steady[PHASE]) if PHASE in self.steady else phase_runs(self.file)

    @property
    def labels(self) -> NDArray[np.int8]:
        """(n,) the label of each row."""
        if ANOMALY in self.steady:
            return np.broadcast_to(np.array(self.steady[ANOMALY]).astype(np.int8), self.file.n_samples)
        return self.file.numbers(ANOMALY).astype(np.int8)


def _read(path: Path, footer: pq.FileMetaData, info: RecordingInfo, conditions: tuple[str, ...]) -> Iterator[Stretch]:
    try:
        # Without a buffer ahead of it, a column is read by this thread alone: other cores have workers of their own.
        with pq.ParquetFile(path, metadata=footer, read_dictionary=[PHASE], pre_buffer=False) as file:
            schema = file.schema_arrow
            stored = SampleFile(path, tuple(schema.names), schema.empty_table(), "", schema.metadata[INTERIM_KEY])
            if not footer.num_rows:
                sample_matrix(info, stored)
            check_count(info, path, footer.num_rows)
            cutter = _Cutter(info, stored, conditions)
            wanted = [name for name in dict.fromkeys((*info.channels, *KNOWN_COLUMNS)) if name in stored.columns]
            for rows in _rows(file, stored, wanted, info.channels):
                yield from cutter.cut(rows)
            cutter.finish()
    except (OSError, pa.ArrowException) as error:
        got = one_line(error)
        raise DataError(f"{path}: expected a complete Parquet file, got {got}; export or copy it again") from error


def _rows(file: pq.ParquetFile, stored: SampleFile, wanted: Sequence[str], channels: Sequence[str]) -> Iterator[_Rows]:
    """The rows of a file, some at a time; columns that say one thing all along are not decoded for it."""
    for group in range(file.num_row_groups):
        steady = {name: value for name, value in _steady(file, group).items() if name not in channels}
        columns = [name for name in wanted if name not in steady]
        for batch in file.iter_batches(BATCH_N, row_groups=[group], columns=columns, use_threads=False):
            yield _Rows(replace(stored, table=pa.Table.from_batches([batch])), steady)


def _steady(file: pq.ParquetFile, group: int) -> dict[str, Any]:
    """The value of each column that, by its statistics, has one in a row group, and none missing."""
    metadata = file.metadata.row_group(group)
    found = {}
    for column in map(metadata.column, range(metadata.num_columns)):
        name = column.path_in_schema
        told = column.statistics if name in _STEADY_KINDS else None
        if told and told.has_min_max and told.has_null_count and not told.null_count and told.min == told.max:
            found[name] = told.min
    return {name: value for name, value in found.items() if type(value) is _STEADY_KINDS[name]}


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

    def cut(self, rows: _Rows) -> Iterator[Stretch]:
        """The pieces of the next rows."""
        first_n, first_id, last_id = rows.stretches
        continues = self._open >= 0 and first_id == self._open_id
        first = self._open if continues else self._open + 1
        last = first + first_n.size
        if last > self._start_ns.size:
            raise wrong_count(self._file, last)
        pieces = cut_interim(
            self._info,
            rows.file,
            first_n,
            self._start_ns[first:last],
            conditions=self._conditions,
            phases=rows.phases,
            labels=rows.labels,
        )
        for part in pieces:
            before_n = self._open_n if continues else 0
            yield replace(part, first_n=before_n)
            self._open_n = before_n + len(part.samples)
            continues = False
        self._open, self._open_id = last - 1, last_id

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
