"""From a raw sample file to a recording: stretches, phases, labels, and conditions on the sample grid. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ground.errors import DataError
from ground.held_condition import HeldCondition, described, hold
from ground.index_cells import FAULTY, HEALTHY, MIXED
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY, UNLABELLED, PhaseRun, Recording, Stretch
from ground.recording_files import ANOMALY, PHASE, SEGMENT, TIME, SampleFile
from ground.recording_index import RecordingInfo
from ground.tach import pulses_between, tach_pulses
from ground.timeline import (
    ClockSettings,
    RateMeter,
    Timeline,
    begins_again,
    counted_timeline,
    order_error,
    overlap_error,
    segment_error,
    segment_timeline,
    stamped_timeline,
    stamps_in_segments,
)

DEFAULT_PHASE = "steady"


@dataclass(frozen=True, slots=True)
class Synchronised:
    """A recording, and what it took to bring it onto one time base."""

    recording: Recording
    timeline: Timeline
    held: tuple[HeldCondition, ...]


def synchronise(
    info: RecordingInfo, file: SampleFile, *, conditions: Sequence[str], gap_tolerance_s: float
) -> Synchronised:
    """Bring the columns of a raw file onto one time base; samples are taken as they are.

    Args:
        info: The recording; its channels become the sample columns, in their order.
        file: Its raw file.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        gap_tolerance_s: Step between stamps, beyond the sampling interval, from which there is a gap.

    Raises:
        DataError: A missing column, no samples, time or segments that go back, or a rate that is not the stated one.
    """
    samples = sample_matrix(info, file)
    timeline = make_timeline(info, file, gap_tolerance_s)
    columns: list[NDArray[np.float64]] = []
    held: list[HeldCondition] = []
    for name in conditions:
        values, hold = _condition(info, file, name, timeline)
        columns.append(values)
        held.extend(hold)
    recording = Recording(
        info,
        tuple(conditions),
        cut(
            timeline,
            samples=samples,
            conditions=join_columns(columns, len(samples), np.float64),
            phases=phase_runs(file),
            labels=labels_of(info, file),
            tach=tach_pulses(file, timeline.first_n),
        ),
    )
    return Synchronised(recording, timeline, tuple(held))


def clock_of(info: RecordingInfo, gap_tolerance_s: float) -> ClockSettings:
    """The clock that the index states for a recording."""
    return ClockSettings(
        rate_hz=info.sampling_rate_hz,
        start_ns=info.start_ns,
        segment_period_s=info.segment_period_s,
        gap_tolerance_s=gap_tolerance_s,
    )


def make_timeline(info: RecordingInfo, file: SampleFile, gap_tolerance_s: float) -> Timeline:
    """The stretches of a raw file in time: by its stamps, else by its segments, else by the count of samples.

    Raises:
        DataError: Time or segments go back, overlap, or tell another rate than the index.
    """
    clock = clock_of(info, gap_tolerance_s)
    if file.has(TIME):
        return _by_stamps(info, file, clock)
    if has_segments(info, file):
        return _by_segments(file, segments_of(info, file), clock)
    return counted_timeline(file.n_samples, clock)


def has_segments(info: RecordingInfo, file: SampleFile) -> bool:
    """Whether a file is made of segments: by its column, or by what the index states of a run to failure."""
    return file.has(SEGMENT) or info.counts_segments


def segments_of(info: RecordingInfo, file: SampleFile) -> NDArray[np.generic]:
    """The segment number of each sample, (n,): the file's, or counted by ``segment_s``, else by ``n_segments``.

    Raises:
        DataError: There are none, or the index states segments that the file does not hold.
    """
    if file.has(SEGMENT) or not info.counts_segments:
        return file.numbers(SEGMENT)
    segment_n = info.segment_s * info.sampling_rate_hz or file.n_samples / (info.n_segments or 1)
    segment: NDArray[np.int64] = np.floor((np.arange(file.n_samples) + 0.5) / segment_n).astype(np.int64)
    there = int(segment[-1]) + 1
    spans = (*info.healthy_segments, *info.faulty_segments)
    needed = max([info.n_segments - 1, *(first + 1 for first, _ in spans)])
    if there < needed or (info.n_segments and there > info.n_segments + 1):
        raise DataError(
            f"{file.path}: {SEGMENT}: expected {info.n_segments or needed} segments, as in the index, got {there} of "
            f"{segment_n / info.sampling_rate_hz:g} s; correct the index, or number the samples in a column"
        )
    return segment


def _by_stamps(info: RecordingInfo, file: SampleFile, clock: ClockSettings) -> Timeline:
    # Without segments a file is one of them.
    segment = segments_of(info, file) if has_segments(info, file) else np.zeros(file.n_samples, dtype=np.int8)
    check_segments(file, segment)
    changes = np.diff(segment) != 0
    time_s = np.asarray(file.numbers(TIME), dtype=np.float64)
    check_stamps(file, time_s, changes)
    meter = RateMeter(clock)
    meter.add(np.diff(time_s))
    check_clock_rate(file, clock, meter)
    if begins_again(time_s, changes):
        time_s = stamps_in_segments(time_s, _by_segments(file, segment, clock), clock)
    return stamped_timeline(time_s, changes, clock)


def _by_segments(file: SampleFile, segment: NDArray[np.generic], clock: ClockSettings) -> Timeline:
    check_segments(file, segment)
    timeline = segment_timeline(segment, clock)
    check_overlap(file, timeline.first_n, timeline.start_ns, clock)
    return timeline


def check_segments(file: SampleFile, segment: NDArray[np.generic], first_row: int = 0) -> None:
    """Refuse segment numbers (n,), from ``first_row`` of the file on, that are unknown or go back.

    Raises:
        DataError: They do.
    """
    _refuse(file, SEGMENT, "numbers from 0 on that never go back", segment_error(segment, first_row))


def check_stamps(file: SampleFile, time_s: NDArray[np.float64], changes: NDArray[np.bool_], first_row: int = 0) -> None:
    """Refuse stamps that do not increase; the arguments are those of ``order_error``.

    Raises:
        DataError: They do not.
    """
    _refuse(file, TIME, "seconds that increase from row to row", order_error(time_s, changes, first_row))


def check_clock_rate(file: SampleFile, clock: ClockSettings, meter: RateMeter) -> None:
    """Refuse a file whose stamps tell another rate than the clock.

    Raises:
        DataError: They do.
    """
    expected = f"steps of a rate within {clock.rate_tolerance:.0%} of {clock.rate_hz:g} Hz"
    _refuse(file, TIME, expected, meter.error(clock.rate_tolerance))


def check_overlap(
    file: SampleFile, first_n: NDArray[np.int64], start_ns: NDArray[np.int64], clock: ClockSettings, first_row: int = 0
) -> None:
    """Refuse segments that end after the next one begins; the arguments are those of ``overlap_error``.

    Raises:
        DataError: They do.
    """
    got = overlap_error(first_n, start_ns, clock.rate_hz, first_row)
    _refuse(file, SEGMENT, "segments that end before the next begins", got)


def sample_matrix(info: RecordingInfo, file: SampleFile) -> NDArray[np.float32]:
    """The channels of a file, (n, n_channel) float32.

    Raises:
        DataError: A channel is missing or no number, or there are no samples.
    """
    if not file.n_samples:
        raise DataError(f"{file.path}: expected samples, got none; remove the recording or export it again")
    return join_columns([file.numbers(name) for name in info.channels], file.n_samples, np.float32)


def join_columns(columns: Sequence[NDArray[np.generic]], n: int, dtype: type[np.floating]) -> NDArray[np.floating]:
    """Columns (n,) side by side, (n, n_column), in ``dtype``; each keeps its samples together in memory.

    A single column of that type is not copied.
    """
    if len(columns) == 1:
        return np.asarray(columns[0], dtype=dtype).reshape(n, 1)
    joined = np.empty((n, len(columns)), dtype=dtype, order="F")
    for index, column in enumerate(columns):
        joined[:, index] = column
    return joined


@dataclass(frozen=True, slots=True)
class PhaseRuns:
    """Runs of one phase over a whole file: first samples, ascending from 0, and the phase of each."""

    first_n: NDArray[np.int64]
    phases: tuple[str, ...]

    @classmethod
    def of_one(cls, phase: str) -> PhaseRuns:
        """One phase throughout."""
        return cls(np.zeros(1, dtype=np.int64), (phase,))


def phase_runs(file: SampleFile) -> PhaseRuns:
    """The phases of a file; one run of the default where it has none.

    Raises:
        DataError: A sample without a phase, or a column of another kind.
    """
    if not file.has(PHASE):
        return PhaseRuns.of_one(DEFAULT_PHASE)
    column = file.table.column(PHASE).unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        raise DataError(f"{file.path}: {PHASE}: expected strings, got {column.type}; convert the column")
    if column.null_count:
        raise DataError(
            f"{file.path}: {PHASE}: expected a phase for each sample, got {column.null_count} without; add it"
        )
    codes = column.indices.to_numpy()
    names = column.dictionary.to_pylist()
    first_n = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1]).astype(np.int64)
    return PhaseRuns(first_n, tuple(str(names[code]) for code in codes[first_n]))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def cut(
    timeline: Timeline,
    *,
    samples: NDArray[np.floating],
    conditions: NDArray[np.floating],
    phases: PhaseRuns,
    labels: NDArray[np.int8],
    tach: Mapping[str, NDArray[np.int64]],
) -> tuple[Stretch, ...]:
    """Cut the columns of a file into its stretches; these share the memory and can only be read."""
    for array in (samples, conditions, labels):
        array.flags.writeable = False
    return tuple(
        Stretch(
            start_ns=int(start_ns),
            samples=samples[first:last].astype(np.float32, copy=False),
            conditions=conditions[first:last].astype(np.float64, copy=False),
            phases=_runs_between(phases, int(first), int(last)),
            labels=labels[first:last],
            tach=pulses_between(tach, int(first), int(last)),
        )
        for start_ns, first, last in zip(timeline.start_ns, timeline.first_n, timeline.last_n, strict=True)
    )


def _runs_between(runs: PhaseRuns, first_n: int, last_n: int) -> tuple[PhaseRun, ...]:
    start = int(np.searchsorted(runs.first_n, first_n, side="right")) - 1
    stop = int(np.searchsorted(runs.first_n, last_n, side="left"))
    return tuple(PhaseRun(max(0, int(runs.first_n[run]) - first_n), runs.phases[run]) for run in range(start, stop))


def _condition(
    info: RecordingInfo, file: SampleFile, name: str, timeline: Timeline
) -> tuple[NDArray[np.float64], tuple[HeldCondition, ...]]:
    if file.has(name):
        values = np.asarray(file.numbers(name), dtype=np.float64)
        filled, last_known = hold(values, timeline.first_n)
        return filled, (described(name, values, last_known, info.sampling_rate_hz),)
    constant = info.speed_hz.get(name.removesuffix("_hz"), np.nan)
    return np.full(timeline.n_samples, constant), ()


def labels_of(info: RecordingInfo, file: SampleFile) -> NDArray[np.int8]:
    """The label of each sample, (n,), as index and file state it.

    Raises:
        DataError: Labels by sample that are neither 0 nor 1, or labels by segment without segments.
    """
    if info.label == HEALTHY:
        return np.full(file.n_samples, LABEL_HEALTHY, dtype=np.int8)
    if info.label == FAULTY:
        return np.full(file.n_samples, LABEL_FAULTY, dtype=np.int8)
    if info.label == MIXED:
        anomaly = file.numbers(ANOMALY)
        if not np.isin(anomaly, (LABEL_HEALTHY, LABEL_FAULTY)).all():
            raise DataError(f"{file.path}: {ANOMALY}: expected 0 or 1 a sample, got other values; correct them")
        return anomaly.astype(np.int8)
    return _labels_by_segment(info, segments_of(info, file))


def _labels_by_segment(info: RecordingInfo, segment: NDArray[np.generic]) -> NDArray[np.int8]:
    labels = np.full(len(segment), UNLABELLED, dtype=np.int8)
    for value, spans in ((LABEL_HEALTHY, info.healthy_segments), (LABEL_FAULTY, info.faulty_segments)):
        for first, last in spans:
            # Segments never go back, so a span is one slice: no comparison of every sample.
            labels[slice(*np.searchsorted(segment, (first, last)))] = value
    return labels


def _refuse(file: SampleFile, column: str, expected: str, got: str) -> None:
    if got:
        raise DataError(f"{file.path}: {column}: expected {expected}, got {got}; correct the recorder's export")
