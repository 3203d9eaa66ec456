"""Interim files: one synchronised recording each, as docs/reference/recordings.md describes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ground.errors import DataError
from ground.recording import Recording
from ground.recording_files import ANOMALY, INTERIM_KEY, PHASE, STRETCH, SampleFile
from ground.recording_index import RecordingInfo
from ground.synchronise import cut, join_columns, phase_runs, sample_matrix
from ground.tach import tach_columns, tach_pulses
from ground.timeline import COUNTED, Timeline

ZSTD_LEVEL = 1


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
    table = pa.table(columns).replace_schema_metadata({INTERIM_KEY: json.dumps(document, sort_keys=True)})
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
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
    samples = sample_matrix(info, file)
    columns = [file.numbers(name) if file.has(name) else np.full(file.n_samples, np.nan) for name in conditions]
    stretches = cut(
        _timeline(info, file),
        samples=samples,
        conditions=join_columns(columns, file.n_samples, np.float64),
        phases=phase_runs(file),
        labels=file.numbers(ANOMALY).astype(np.int8),
        tach=tach_pulses(file),
    )
    return Recording(info, tuple(conditions), stretches)


def _timeline(info: RecordingInfo, file: SampleFile) -> Timeline:
    first_n = np.concatenate([[0], np.flatnonzero(np.diff(file.numbers(STRETCH))) + 1])
    try:
        start_ns = np.array(json.loads(file.interim)["stretch_start_ns"], dtype=np.int64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(
            f"{file.path}: expected the metadata of an interim file, got {error!r}; preprocess again"
        ) from error
    if start_ns.shape != first_n.shape:
        raise DataError(
            f"{file.path}: {STRETCH}: expected {start_ns.size} stretches, got {first_n.size}; preprocess again"
        )
    return Timeline(
        source=COUNTED,
        first_n=first_n.astype(np.int64),
        start_ns=start_ns,
        n_samples=file.n_samples,
        measured_rate_hz=info.sampling_rate_hz,
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
