"""Flights as Parquet files and the index over them, in the layout of a recordings folder."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ground.simulate.arrays import Float32s
from ground.simulate.config import FleetConfig
from ground.simulate.flight import FlightRecord
from ground.simulate.plan import DATASET, FlightPlan
from ground.simulate.profile import PHASES

MACHINE = "simulated two-shaft turbofan"
ZSTD_LEVEL = 1
DIGEST_DIGITS = 16
SENSOR_NOTE = "sensor fault, engine healthy: anomaly is 0 throughout; keep out of fit and calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One row of ``recordings.csv``; all values as text, in the order of its columns."""

    recording_id: str
    file: str
    dataset: str
    machine: str
    unit_id: str
    aircraft: str
    engine: str
    flight: str
    start_ns: str
    sampling_rate_hz: str
    n_samples: str
    duration_s: str
    n_segments: str
    segment_s: str
    channels: str
    signal_units: str
    label: str
    fault_type: str
    severity: str
    onset_s: str
    ac_rms: str
    nan_count: str
    data_sha256: str
    notes: str


def index_row(config: FleetConfig, plan: FlightPlan, record: FlightRecord) -> IndexRow:
    """Describe one flight."""
    duration_s = f"{config.n_samples / config.sampling_rate_hz:.12g}"
    return IndexRow(
        recording_id=plan.recording_id,
        file=f"{DATASET}/{plan.recording_id}.parquet",
        dataset=DATASET,
        machine=MACHINE,
        unit_id=plan.unit_id,
        aircraft=plan.aircraft,
        engine=plan.unit_id,
        flight=plan.recording_id,
        start_ns=str(plan.start_ns),
        sampling_rate_hz=f"{config.sampling_rate_hz:.12g}",
        n_samples=str(config.n_samples),
        duration_s=duration_s,
        n_segments="1",
        segment_s=duration_s,
        channels=";".join(config.channels),
        signal_units="g",
        label=plan.label,
        fault_type=plan.fault,
        severity=f"{plan.severity:g}" if plan.has_engine_fault else "",
        onset_s=f"{plan.onset_s:g}" if plan.fault else "",
        ac_rms=";".join(f"{_ac_rms(channel):.6g}" for channel in record.samples),
        nan_count=str(int(np.isnan(record.samples).sum())),
        data_sha256=hashlib.sha256(record.samples.tobytes()).hexdigest()[:DIGEST_DIGITS],
        notes=SENSOR_NOTE if plan.has_sensor_fault else "",
    )


def _ac_rms(channel: Float32s) -> float:
    return float(np.nanstd(channel, dtype=np.float64))


def parquet_bytes(config: FleetConfig, plan: FlightPlan, record: FlightRecord, row: IndexRow) -> bytes:
    """One flight as a Parquet file.

    Columns: the channels (float32, g), ``phase`` (dictionary of strings), ``n1_hz`` and ``n2_hz`` (float32),
    ``tach_n1`` (int8) where the config asks for it and, for a ``mixed`` flight, ``anomaly`` (int8). Byte-stream split
    suits the converter's steps: the low bytes of all samples are zeros that lie side by side.
    """
    columns: dict[str, pa.Array] = dict(zip(config.channels, map(pa.array, record.samples), strict=True))
    names = pa.array([phase.name for phase in PHASES])
    columns["phase"] = pa.DictionaryArray.from_arrays(pa.array(record.phase), names)
    columns |= {"n1_hz": pa.array(record.n1_hz), "n2_hz": pa.array(record.n2_hz)}
    if config.tach:
        columns["tach_n1"] = pa.array(record.tach_n1)
    if plan.label == "mixed":
        columns["anomaly"] = pa.array(record.anomaly)
    metadata = {
        "recording_id": row.recording_id,
        "sampling_rate_hz": row.sampling_rate_hz,
        "recording": json.dumps(asdict(row), sort_keys=True),
    }
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=[name for name in columns if name not in config.channels],
        column_encoding=dict.fromkeys(config.channels, "BYTE_STREAM_SPLIT"),
        row_group_size=config.n_samples,
    )
    return sink.getvalue()


def index_bytes(rows: Sequence[IndexRow]) -> bytes:
    """``recordings.csv`` of these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(IndexRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()
