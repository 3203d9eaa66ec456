"""Fixtures for ``ground init``: folders of made-up recordings in the layout, as other people's rigs have them."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ground.config import load_config
from ground.featurize import featurize
from ground.importer import import_recordings
from ground.initialise.command import write
from ground.preprocess import preprocess
from ground.progress import silent
from ground.window_table import WINDOWS, read_table
from ground.workspace import Workspace

SEED = 20261128
PROCESS = {
    # Name: unit, level, noise, step of the converter.
    "Accelerometer1RMS": ("g", 0.027, 0.0005, 1e-5),
    "Accelerometer2RMS": ("g", 0.04, 0.0007, 1e-5),
    "Current": ("A", 1.2, 0.2, 1e-5),
    "Pressure": ("bar", 0.05, 0.2, 0.01),
    "Temperature": ("degC", 75.0, 0.05, 0.01),
    "Thermocouple": ("degC", 25.0, 0.01, 0.001),
    "Voltage": ("V", 230.0, 10.0, 0.01),
    "Volume Flow RateRMS": ("l/min", 32.0, 0.2, 0.99),
}


class Rig:
    """A folder of recordings that grows by ``add``; nothing is written before ``write``."""

    process_names = tuple(PROCESS)
    process_units = tuple(unit for unit, *_ in PROCESS.values())

    def __init__(self, folder):
        self.folder = folder
        self.rng = np.random.default_rng(SEED)
        self.rows = []
        self.files = {}

    def add(self, name, columns, *, rate_hz, label="healthy", channels="", **cells):
        """One recording; ``channels`` default to all columns."""
        self.files[name] = dict(columns)
        self.rows.append(
            {
                "recording_id": name, "file": f"{name}.parquet", "unit_id": "u1", "sampling_rate_hz": str(rate_hz),
                "channels": channels or ";".join(columns), "signal_units": "g", "label": label, **cells,
            }
        )  # fmt: skip

    def vibration(self, n, rate_hz, tone_hz=25.0, rms=1.0):
        """(n,) a tone in noise."""
        tone = np.sin(2 * np.pi * tone_hz * np.arange(n) / rate_hz + self.rng.uniform(0, 6))
        return (rms * (tone + 0.3 * self.rng.standard_normal(n))).astype(np.float32)

    def process(self, n):
        """Columns of slow values: drifting, in the steps of their converters."""
        return {name: self._slow(n, *traits) for name, (_, *traits) in PROCESS.items()}

    def _slow(self, n, level, noise, step):
        drift = np.cumsum(self.rng.standard_normal(n)) * noise * 0.02
        values = level + drift + noise * self.rng.standard_normal(n)
        return (np.round(values / step) * step).astype(np.float32)

    def write(self):
        """Write index and files; the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with (self.folder / "recordings.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        for name, columns in self.files.items():
            pq.write_table(pa.table(columns), self.folder / f"{name}.parquet")
        return self.folder


@pytest.fixture
def rig(tmp_path):
    """An empty rig."""
    return Rig(tmp_path / "rig")


@pytest.fixture
def bench(rig):
    """A rig like many: four healthy and two faulty recordings of 20 s, two accelerometers at 2 kHz."""
    for index in range(6):
        columns = {name: rig.vibration(40_000, 2000) for name in ("a", "b")}
        label = "healthy" if index < 4 else "faulty"
        rig.add(f"r{index}", columns, rate_hz=2000, label=label, dataset="bench", load="5 kN")
    return rig


@pytest.fixture
def featurized(tmp_path):
    """From a proposal to the table of windows: what a person does next, and its rows."""

    def run(proposal, folder):
        out = tmp_path / "out"
        write(proposal, out)
        config, workspace = load_config(out / "config.yaml"), Workspace(out)
        assert config.digest == proposal.config.digest
        leave_out = config.preprocess.leave_out
        import_recordings(folder, workspace.raw, dataset=None, progress=silent, leave_out=leave_out)
        preprocess(config, workspace, progress=silent, base=out)
        featurize(config, workspace, progress=silent, workers=1)
        return read_table(workspace.processed / WINDOWS, config.feature_spec()).rows

    return run
