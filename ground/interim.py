"""Interim files: one synchronised recording each, as docs/reference/recordings.md describes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ground.errors import DataError
from ground.recording import Recording, Stretch
from ground.recording_files import ANOMALY, INTERIM_KEY, PHASE, STRETCH, SampleFile
from ground.recording_index import RecordingInfo
from ground.synchronise import PhaseRuns, cut, join_columns, phase_runs, sample_matrix
from ground.tach import marked_pulses, tach_columns
from ground.timeline import COUNTED, Timeline

ZSTD_LEVEL = 1
PAGE_N = 1 << 17
"""Samples of a page. Each of their four byte planes then fills a block of zstd, and planes of noise are only copied."""


def interim_bytes(recording: Recording) -> bytes:
    """A recording as an interim Parquet file; the same recording gives the same bytes."""
    info, stretches = recording.info, recording.stretches
    lengths = [len(stretch.samples) for stretch in stretches]
    samples = np.concatenate([stretch.samples for stretch in stretches])
    conditions = np.concatenate([stretch.conditions for stretch in stretches])
    columns = {name: pa.array(samples[:, index]) for index, name in enumerate(info.channels)}
    columns[STRETCH] = pa.array(np.repeat(np.arange(len(stretches), dtype=np.int32), lengths))
    columns[PHASE] = _phase_column(recording)
    columns |= {name: pa.array(conditions[:, index]) for index, name in enumerate(recording.conditions)}
    columns |= {name: pa.array(levels) for name, levels in tach_columns(stretches).items()}
    columns[ANOMALY] = pa.array(np.concatenate([stretch.labels for stretch in stretches]))
    document = {"info": asdict(info), "stretch_start_ns": [stretch.start_ns for stretch in stretches]}
    schema = pa.schema(
        [pa.field(name, column.type, nullable=False) for name, column in columns.items()],
        metadata={INTERIM_KEY: json.dumps(document, sort_keys=True)},
    )
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_arrays(list(columns.values()), schema=schema),
        sink,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        data_page_size=PAGE_N * np.dtype(np.float32).itemsize,
        max_rows_per_page=PAGE_N,
        use_dictionary=[name for name in columns if name not in info.channels],
        # The high bytes of neighbouring samples resemble each other; side by side they compress.
        column_encoding=dict.fromkeys(info.channels, "BYTE_STREAM_SPLIT"),
    )
    return sink.getvalue()


def read_interim(info: RecordingInfo, file: SampleFile, *, conditions: Sequence[str]) -> Recording:
    """A recording out of its interim file.

    Raises:
        DataError: The file is not what ``interim_bytes`` writes.
    """
    first_n = stretch_borders(file)
    start_ns = stretch_starts(file)
    if start_ns.shape != first_n.shape:
        raise wrong_count(file, first_n.size)
    stretches = cut_interim(
        info,
        file,
        first_n,
        start_ns,
        conditions=conditions,
        phases=phase_runs(file),
        labels=file.numbers(ANOMALY).astype(np.int8),
    )
    return Recording(info, tuple(conditions), stretches)


def cut_interim(
    info: RecordingInfo,
    file: SampleFile,
    first_n: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    *,
    conditions: Sequence[str],
    phases: PhaseRuns,
    labels: NDArray[np.int8],
) -> tuple[Stretch, ...]:
    """The stretches of an interim file, or of some rows of it.

    Args:
        info: The recording.
        file: The rows.
        first_n: (n,) rows at which a stretch begins; the first is 0.
        start_ns: (n,) source times of the stretches' first samples.
        conditions: Which operating conditions to add; NaN where the file has none.
        phases: Of these rows.
        labels: (n_samples,) of these rows.

    Raises:
        DataError: A column is missing, or of another kind.
    """
    columns = [file.numbers(name) if file.has(name) else np.full(file.n_samples, np.nan) for name in conditions]
    timeline = Timeline(
        source=COUNTED,
        first_n=first_n,
        start_ns=start_ns,
        n_samples=file.n_samples,
        measured_rate_hz=info.sampling_rate_hz,
    )
    return cut(
        timeline,
        samples=sample_matrix(info, file),
        conditions=join_columns(columns, file.n_samples, np.float64),
        phases=phases,
        labels=labels,
        tach=marked_pulses(file),
    )


def stretch_borders(file: SampleFile) -> NDArray[np.int64]:
    """(n,) rows of an interim file at which a stretch begins, the first included."""
    return np.concatenate([[0], np.flatnonzero(np.diff(file.numbers(STRETCH))) + 1]).astype(np.int64)


def stretch_starts(file: SampleFile) -> NDArray[np.int64]:
    """(n,) source time of the first sample of each stretch, out of the metadata of an interim file.

    Raises:
        DataError: They are not what ``interim_bytes`` writes.
    """
    try:
        return np.array(json.loads(file.interim)["stretch_start_ns"], dtype=np.int64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(
            f"{file.path}: expected the metadata of an interim file, got {error!r}; preprocess again"
        ) from error


def wrong_count(file: SampleFile, found: int) -> DataError:
    """The error of an interim file with another count of stretches than its metadata state."""
    return DataError(
        f"{file.path}: {STRETCH}: expected {stretch_starts(file).size} stretches, got {found}; preprocess again"
    )


def _phase_column(recording: Recording) -> pa.DictionaryArray:
    names: dict[str, int] = {}
    codes, lengths = [], []
    for stretch in recording.stretches:
        ends = [*(run.first_n for run in stretch.phases[1:]), len(stretch.samples)]
        for run, end in zip(stretch.phases, ends, strict=True):
            codes.append(names.setdefault(run.phase, len(names)))
            lengths.append(end - run.first_n)
    indices = np.repeat(np.array(codes, dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(list(names)))
