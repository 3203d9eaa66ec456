"""A made-up recording, and the folder that holds many: docs/reference/recordings.md describes it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ground.recording_index import INDEX_NAME

HEALTHY = "healthy"
FAULTY = "faulty"
MIXED = "mixed"
LIFE = "run_to_failure"
_COLUMNS = (
    "recording_id", "file", "dataset", "unit_id", "sampling_rate_hz", "channels", "signal_units", "label", "speed_rpm",
    "load", "condition", "fault_type", "severity", "segment_s", "segment_period_s", "healthy_segments",
    "faulty_segments",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording.

    Attributes:
        name: Unique in its rig.
        unit: The specimen.
        rate_hz: Sampling rate.
        channels: (n,) samples of each channel, by its name.
        signal_units: One for all or one each, ``;`` between them.
        label: ``healthy``, ``faulty``, ``mixed`` or ``run_to_failure``.
        others: (n,) further columns of the file: ``segment``, ``anomaly``, ``n1_hz``, ``time_s``.
        cells: Further cells of the index, by column.
    """

    name: str
    unit: str
    rate_hz: float
    channels: Mapping[str, NDArray[np.float64]]
    signal_units: str
    label: str = HEALTHY
    others: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    cells: Mapping[str, str] = field(default_factory=dict)


def write_rig(recordings: Iterable[Recording], folder: Path, dataset: str) -> list[dict[str, str]]:
    """Write the files of one rig; returns their rows of the index.

    Args:
        recordings: Drawn and written one by one.
        folder: A recordings folder.
        dataset: Name of the rig.
    """
    (folder / dataset).mkdir(parents=True, exist_ok=True)
    return [_write(each, folder, dataset) for each in recordings]


def write_index(rows: Iterable[Mapping[str, str]], folder: Path) -> None:
    """Write the index of a recordings folder, last."""
    with (folder / INDEX_NAME).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _write(recording: Recording, folder: Path, dataset: str) -> dict[str, str]:
    file = f"{dataset}/{recording.name}.parquet"
    samples = {name: column.astype(np.float32) for name, column in recording.channels.items()}
    pq.write_table(pa.table({**samples, **recording.others}), folder / file)
    return {
        "recording_id": f"{dataset}_{recording.name}",
        "file": file,
        "dataset": dataset,
        "unit_id": recording.unit,
        "sampling_rate_hz": f"{recording.rate_hz:g}",
        "channels": ";".join(samples),
        "signal_units": recording.signal_units,
        "label": recording.label,
        **recording.cells,
    }
