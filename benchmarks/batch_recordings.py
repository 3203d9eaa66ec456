"""Preprocessed recordings for the batch benchmark: any number of flights of the same seeded vibration."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.vibration import AIRCRAFT, EPOCH_NS, PHASE, vibration
from ground.bulk.store import SETTLED_NS
from ground.interim import interim_bytes
from ground.recording import PhaseRun, Recording, Stretch
from ground.recording_index import INDEX_NAME, read_index, table_bytes

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_COLUMNS = (
    "recording_id", "file", "unit_id", "aircraft", "engine", "flight", "sampling_rate_hz", "channels", "signal_units",
    "label",
)  # fmt: skip


def write_recordings(folder: Path, spec: FeatureSpec, *, n: int, seconds: float) -> Path:
    """A folder of ``n`` flights and their index; all of them are links to one file, so that disks do not matter.

    They are given the time after which a run trusts their own.

    Args:
        folder: Is made.
        spec: Rate and channels.
        n: Flights.
        seconds: Length of each.
    """
    folder.mkdir(parents=True)
    channels = ";".join(channel.name for channel in spec.channels)
    rate = repr(spec.sampling_rate_hz)
    rows = [
        (name, f"{name}.parquet", "u", AIRCRAFT, "1", name, rate, channels, "g", "healthy")
        for name in (f"f{index}" for index in range(n))
    ]
    (folder / INDEX_NAME).write_bytes(table_bytes(_COLUMNS, [dict(zip(_COLUMNS, row, strict=True)) for row in rows]))
    infos = read_index(folder)
    samples = vibration(spec, seconds)
    n_samples = len(samples)
    stretch = Stretch(
        EPOCH_NS, samples, np.zeros((n_samples, 0)), (PhaseRun(0, PHASE),), np.zeros(n_samples, dtype=np.int8)
    )
    first = folder / infos[0].file
    first.write_bytes(interim_bytes(Recording(infos[0], (), (stretch,))))
    for info in infos[1:]:
        os.link(first, folder / info.file)
    time.sleep(SETTLED_NS * 1.1e-9)
    return folder
