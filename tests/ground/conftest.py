"""Fixtures for the ground: a folder of four tiny recordings, and ways to break it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ground.config import Config
from ground.preprocess import preprocess
from ground.recording_index import INDEX_NAME, read_table, table_bytes
from ground.recordings import read_index
from ground.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import SignedBundle
    from tests.ground.repo_ceremony import Ceremony

RATE_HZ = 1024
FLIGHT_N = 20 * RATE_HZ
SEGMENTS = 12
START_NS = 1_700_000_000_000_000_000
NOISE_SEED = 20261123


class TinyRecordings:
    """A good recordings folder of one dataset, ``tiny``, at 1,024 Hz.

    ``flight`` (Parquet, 20 s: phases taxi and cruise, speeds, stamps), ``bench`` (CSV, 5 s, speed_rpm), ``onset``
    (Parquet, 20 s, mixed: faulty from 12 s on) and ``life`` (Parquet, 12 segments of 1 s, 10 s apart).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(NOISE_SEED)
        self._write("flight", _flight(rng), {"label": "healthy", "start_ns": str(START_NS), "unit_id": "e1"})
        self._write("bench", {"acc_1": _noise(rng, 5 * RATE_HZ)}, {"speed_rpm": "1800"}, suffix="csv")
        anomaly = (np.arange(FLIGHT_N) >= 12 * RATE_HZ).astype(np.int8)
        onset = {"acc_1": _noise(rng, FLIGHT_N) * (1 + 4 * anomaly), "anomaly": anomaly}
        self._write("onset", onset, {"label": "mixed", "speed_rpm": "1800", "fault_type": "ball"})
        segment = np.repeat(np.arange(SEGMENTS, dtype=np.int32), RATE_HZ)
        spans = {"healthy_segments": "0:4;5:6", "faulty_segments": "10:12", "segment_period_s": "10"}
        life = {"acc_1": _noise(rng, segment.size), "segment": segment}
        self._write("life", life, {"label": "run_to_failure", "speed_rpm": "1800", **spans})

    def path(self, name):
        """The file of a recording."""
        return next(self.folder.glob(f"tiny/{name}.*"))

    def info(self, name):
        """The row of a recording, typed."""
        return next(info for info in read_index(self.folder) if info.recording_id == name)

    def frame(self, name):
        """The columns of a recording."""
        path = self.path(name)
        return pd.read_csv(path) if path.suffix == ".csv" else pq.ParquetFile(path).read().to_pandas()

    def change(self, name, edit):
        """Rewrite a file as ``edit`` of its columns."""
        path = self.path(name)
        frame = edit(self.frame(name))
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            self.write_parquet(path, pa.Table.from_pandas(frame, preserve_index=False))

    def write_parquet(self, path, table, rate=str(RATE_HZ)):
        """Write a Parquet file that states its rate."""
        pq.write_table(table.replace_schema_metadata({"sampling_rate_hz": rate}), path)

    def write(self, name, data):
        """Put other bytes into a file."""
        self.path(name).write_bytes(data)

    def truncate(self, name):
        """Cut a file in half."""
        data = self.path(name).read_bytes()
        self.write(name, data[: len(data) // 2])

    def restate(self, name, **cells):
        """Change cells of a row of the index; columns are added as needed."""
        table = read_table(self.folder / INDEX_NAME)
        rows = [{**row, **cells} if row["recording_id"] == name else row for row in table.rows]
        columns = dict.fromkeys((*table.columns, *cells))
        (self.folder / INDEX_NAME).write_bytes(table_bytes(tuple(columns), rows))

    def _write(self, name, columns, cells, suffix="parquet"):
        path = self.folder / "tiny" / f"{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(columns)
        frame["acc_1"] = frame["acc_1"].astype(np.float32)
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            self.write_parquet(path, pa.Table.from_pandas(frame, preserve_index=False))
        row = {
            "recording_id": name,
            "file": f"tiny/{path.name}",
            "dataset": "tiny",
            "unit_id": name,
            "sampling_rate_hz": str(RATE_HZ),
            "channels": "acc_1",
            "signal_units": "g",
            "label": "healthy",
            "n_samples": str(len(frame)),
            **cells,
        }
        index = self.folder / INDEX_NAME
        old = read_table(index) if index.exists() else None
        rows = [*(old.rows if old else ()), row]
        columns = dict.fromkeys(key for each in rows for key in each)
        index.write_bytes(table_bytes(tuple(columns), rows))


def _noise(rng, n):
    return rng.standard_normal(n, dtype=np.float32)


def _flight(rng):
    taxi = np.arange(FLIGHT_N) < 8 * RATE_HZ
    return {
        "acc_1": _noise(rng, FLIGHT_N) * np.where(taxi, 0.2, 1.0),
        "phase": pd.Categorical(np.where(taxi, "taxi", "cruise")),
        "n1_hz": np.where(taxi, 20.0, 60.0).astype(np.float32),
        "time_s": np.arange(FLIGHT_N) / RATE_HZ,
    }


def tiny_document():
    """The config of the tiny recordings, as YAML would give it."""
    return {
        "schema": 1,
        "detector": "tiny",
        "signal": {
            "sampling_rate_hz": RATE_HZ,
            "channels": [{"name": "acc_1", "unit": "g"}],
            "conditions": ["n1_hz"],
        },
        "features": {"record_s": 0.25, "window_s": 1.0, "hop_s": 0.5},
    }


@pytest.fixture
def tiny_recordings(tmp_path):
    """A good folder of four tiny recordings."""
    return TinyRecordings(tmp_path / "source")


@pytest.fixture
def tiny_config():
    """A config for the tiny recordings; arguments change sections."""

    def make(**sections):
        return Config.model_validate({**tiny_document(), **sections})

    return make


@pytest.fixture
def tiny_workspace(tmp_path):
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def tiny_raw(tiny_workspace):
    """The tiny recordings as the raw ones of the tiny workspace."""
    return TinyRecordings(tiny_workspace.raw)


class TinyStage:
    """Preprocessing of the tiny recordings: ``raw`` to break, ``run`` to run, ``workspace`` to look into."""

    def __init__(self, workspace, raw):
        self.workspace = workspace
        self.raw = raw

    def run(self, base=Path(), **sections):
        """Preprocess with the tiny config; arguments change its sections."""
        config = Config.model_validate({**tiny_document(), **sections})
        return preprocess(config, self.workspace, progress=lambda _step, _done, _total: None, base=base)

    def report(self):
        """The report of the last run."""
        return json.loads((self.workspace.interim / "report.json").read_text())


@pytest.fixture
def tiny_stage(tiny_workspace, tiny_raw):
    """Preprocessing of the tiny recordings."""
    return TinyStage(tiny_workspace, tiny_raw)


@pytest.fixture
def no_progress():
    """A progress that nobody watches."""
    return lambda _step, _done, _total: None


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory, small_bundle: SignedBundle) -> Ceremony:
    """A public update repository without offers; not to be changed."""
    from tests.ground.repo_ceremony import begin_public

    return begin_public(tmp_path_factory.mktemp("ceremony"), small_bundle)


@pytest.fixture
def ceremony(founded: Ceremony, tmp_path: Path) -> Ceremony:
    """A public update repository without offers, of one's own."""
    return founded.copy(tmp_path / "repo")
