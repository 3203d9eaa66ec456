"""Raw files piece by piece: what ``synchronise`` makes of one, in the memory of a few seconds of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.errors import DataError
from ground.held_condition import hold
from ground.interim_stream import joined
from ground.recording import RecordingStream, Stretch
from ground.recording_files import SEGMENT, TIME, SampleFile, column_names, sample_batches
from ground.recording_index import RecordingInfo
from ground.stated_samples import check_rate, stated_batches
from ground.synchronise import (
    check_clock_rate,
    check_overlap,
    check_segments,
    check_stamps,
    clock_of,
    cut,
    join_columns,
    labels_of,
    phase_runs,
    sample_matrix,
)
from ground.tach import rising_edges, tach_levels
from ground.timeline import COUNTED, ClockSettings, RateMeter, Timeline

_SURE_N = 1000
"""So many steps, every one of which looks like a gap, are a wrong rate."""


def is_streamable(path: Path, info: RecordingInfo) -> bool:
    """Whether a raw file can be cut without knowing all of it; what cannot be read can, to the error.

    Segments whose period is not stated lie as far apart as the longest of them needs; stamps that repeat or go back say
    only all together what they mean.
    """
    try:
        columns = column_names(path)
        if TIME in columns:
            return _increase(path) and (SEGMENT in columns or not info.counts_segments)
    except DataError:
        return True
    return info.segment_period_s > 0.0 if SEGMENT in columns else not info.counts_segments


def _increase(path: Path) -> bool:
    """Whether each stamp of a file is known and later than the one before; in the memory of a batch."""
    last_s = -np.inf
    for file in sample_batches(path, [TIME], only=True):
        time_s = np.asarray(file.numbers(TIME), dtype=np.float64)
        if not (np.diff(time_s, prepend=last_s) > 0.0).all():
            return False
        last_s = float(time_s[-1]) if time_s.size else last_s
    return True


def stream_raw(
    path: Path, info: RecordingInfo, *, conditions: Sequence[str], piece_n: int, gap_tolerance_s: float
) -> RecordingStream:
    """A recording out of its raw file, piece by piece.

    Args:
        path: The file; see ``is_streamable``.
        info: Its row of the index.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        piece_n: Each piece but the last one of a stretch is a whole multiple of so many samples.
        gap_tolerance_s: For a file with stamps: step, beyond the sampling interval, from which there is a gap.

    Returns:
        The recording. Its stretches raise a ``DataError`` as ``synchronise`` does; of the rate, of the number of the
        samples and of their digest only after the last of them.
    """
    cutter = _Cutter(path, info, tuple(conditions), clock_of(info, gap_tolerance_s))
    return RecordingStream(info, tuple(conditions), joined(cutter.pieces(), piece_n))


class _Cutter:
    """Cuts the rows of a raw file into its stretches, batch by batch."""

    def __init__(self, path: Path, info: RecordingInfo, conditions: tuple[str, ...], clock: ClockSettings) -> None:
        self._path = path
        self._info = info
        self._conditions = conditions
        self._clock = clock
        self._rate = RateMeter(clock)
        self._last: dict[str, float] = {}
        """The value in the last row read, by column: that of a speed is the one that holds."""
        self._read_n = 0
        self._start_ns = clock.start_ns
        self._open_n = 0

    def pieces(self) -> Iterator[Stretch]:
        """The pieces of all rows.

        Raises:
            DataError: As of ``stream_raw``.
        """
        for file in stated_batches(self._info, self._path):
            yield from self._cut(file)
        check_clock_rate(file, self._clock, self._rate)

    def _cut(self, file: SampleFile) -> Iterator[Stretch]:
        """The pieces of the next rows."""
        if not self._read_n:
            check_rate(self._info, file)
        samples = sample_matrix(self._info, file)
        begins, begins_ns = self._beginnings(file)
        continues = self._read_n > 0 and not (begins.size and begins[0] == 0)
        first_n = np.concatenate([[0], begins]) if continues else begins
        start_ns = np.concatenate([[self._start_ns], begins_ns]) if continues else begins_ns
        timeline = Timeline(
            source=COUNTED, first_n=first_n, start_ns=start_ns, n_samples=file.n_samples,
            measured_rate_hz=self._info.sampling_rate_hz,
        )  # fmt: skip
        parts = cut(
            timeline,
            samples=samples,
            conditions=join_columns(
                [self._condition(file, name, begins) for name in self._conditions], file.n_samples, np.float64
            ),
            phases=phase_runs(file),
            labels=labels_of(self._info, file),
            tach=self._pulses(file, begins),
        )
        self._read_n += file.n_samples
        for index, part in enumerate(parts):
            before_n = self._open_n if continues and not index else 0
            yield replace(part, first_n=before_n)
            self._open_n = before_n + len(part.samples)
        self._start_ns = int(start_ns[-1])

    def _beginnings(self, file: SampleFile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows (n,) of this batch at which a stretch begins, and their source times."""
        is_first = self._read_n == 0
        changes = np.zeros(file.n_samples, dtype=np.bool_)
        changes[0] = is_first
        first_row = max(0, self._read_n - 1)
        if file.has(SEGMENT):
            segment = self._after_last(SEGMENT, file.numbers(SEGMENT))
            check_segments(file, segment, first_row)
            changes[is_first:] |= np.diff(segment) != 0
        if file.has(TIME):
            time_s = self._after_last(TIME, np.asarray(file.numbers(TIME), dtype=np.float64))
            check_stamps(file, time_s, changes[is_first:], first_row)
            steps = np.diff(time_s)
            self._rate.add(steps)
            if self._rate.is_lost and steps.size >= _SURE_N:
                # Each sample would be a stretch of its own.
                check_clock_rate(file, self._clock, self._rate)
            changes[is_first:] |= steps > self._clock.longest_step_s
        rows = np.flatnonzero(changes).astype(np.int64)
        if file.has(TIME):
            stamps = np.asarray(file.numbers(TIME), dtype=np.float64)[rows]
            return rows, self._clock.start_ns + np.round(stamps * NS_PER_S).astype(np.int64)
        if file.has(SEGMENT):
            period_ns = round(self._clock.segment_period_s * NS_PER_S)
            starts_ns = self._clock.start_ns + file.numbers(SEGMENT)[rows].astype(np.int64) * period_ns
            self._check_ends(file, rows, starts_ns)
            return rows, starts_ns
        return rows, np.full(rows.size, self._clock.start_ns, dtype=np.int64)

    def _check_ends(self, file: SampleFile, rows: NDArray[np.int64], starts_ns: NDArray[np.int64]) -> None:
        """No segment begins before the one before has ended, which may have begun in an earlier batch."""
        if self._read_n:
            rows = np.concatenate([[-self._open_n], rows])
            starts_ns = np.concatenate([[self._start_ns], starts_ns])
        check_overlap(file, rows, starts_ns, self._clock, self._read_n)

    def _after_last(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """The values of a column behind the last one of the batch before, where there was one."""
        before = [np.asarray([self._last[name]], dtype=values.dtype)] if name in self._last else []
        self._last[name] = values[-1].item()
        return np.concatenate([*before, values])

    def _condition(self, file: SampleFile, name: str, begins: NDArray[np.int64]) -> NDArray[np.float64]:
        if not file.has(name):
            return np.full(file.n_samples, self._info.speed_hz.get(name.removesuffix("_hz"), np.nan))
        values = np.asarray(file.numbers(name), dtype=np.float64)
        known = np.concatenate([[self._last.get(name, np.nan)], values])
        held, _ = hold(known, np.concatenate([[0], begins + 1]))
        self._last[name] = float(held[-1])
        return held[1:]

    def _pulses(self, file: SampleFile, begins: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        pulses = {}
        for shaft, name, levels in tach_levels(file):
            before = self._last.get(name, levels[0].item())
            self._last[name] = levels[-1].item()
            found = rising_edges(np.concatenate([[before], levels])) - 1
            pulses[shaft] = found[~np.isin(found, begins)]
        return pulses
