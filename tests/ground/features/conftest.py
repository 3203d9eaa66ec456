"""A small simulated fleet, a config with every group, a signed bundle of it, and the command as people call it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from edge_agent.io_schema import IoSchema
from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MANIFEST, METRICS, MODEL, MODEL_CARD, SCALER, THRESHOLDS
from edge_agent.manifest import Manifest
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from ground.cli import main
from ground.config import load_config
from ground.golden import cut_window, prove_windows
from ground.keys import load_private_key, new_key_pair
from ground.pack import pack_bundle
from ground.recordings import load_recording, read_index
from ground.scaling import fit_scaler
from ground.simulate import FleetConfig, simulate_fleet
from ground.window_extraction import windows_of
from tests.conftest import z_score_model

FLEET = FleetConfig(
    seed=11,
    n_channels=2,
    n_healthy=1,
    n_faulty=1,
    n_sensor_faulty=1,
    flight_s=30.0,
    severity_floor=0.9,
    onset_share=0.0,
    faults=("bearing_outer",),
    sensor_faults=("sensor_flatline",),
)
HEALTHY, OUTER, FLAT = (f"sim-e{engine:04d}-f000" for engine in range(3))

DOCUMENT = {
    "schema": 1,
    "detector": "people",
    "signal": {
        "sampling_rate_hz": 10240,
        "channels": [{"name": "acc_1", "unit": "g"}, {"name": "acc_2", "unit": "g"}],
        "conditions": ["n1_hz", "n2_hz"],
        "shafts": [{"name": "n1"}, {"name": "n2"}],
    },
    "features": {
        "record_s": 1.0,
        "window_s": 2.0,
        "hop_s": 1.0,
        "spectrum": {"segment_n": 5120, "overlap_n": 2560, "n_bands": 8, "dominant_n": 1},
        "velocity": {"enabled": True},
        "envelope": {
            "enabled": True,
            "band_hz": [2000, 4000],
            "bearings": [
                {"name": "front", "shaft": "n1", "n_ball": 13, "ball_mm": 22.0, "pitch_mm": 150.0, "contact_deg": 25.0}
            ],
        },
        "orders": {
            "enabled": True,
            "max_hz": 1000,
            "shafts": [
                {"shaft": "n1", "orders": [1, 2], "carriers": [{"order": 22, "sidebands": 2}]},
                {"shaft": "n2", "orders": [1]},
            ],
            "bands": [{"shaft": "n1", "low": 4, "high": 20}],
        },
    },
}


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """The folder of three simulated flights: healthy, an outer race fault, a sensor that goes flat."""
    folder = tmp_path_factory.mktemp("fleet") / "raw"
    simulate_fleet(FLEET, folder, progress=lambda _done, _total: None, workers=1)
    return folder


@pytest.fixture(scope="session")
def config_file(tmp_path_factory):
    """The config with every group, as a file."""
    return write_config(tmp_path_factory.mktemp("config"))


@pytest.fixture
def changed_config(tmp_path):
    """Writes the config after a change."""
    return lambda change: write_config(tmp_path, change)


def write_config(folder, change=lambda _document: None):
    """The config after ``change``, as a file."""
    document = yaml.safe_load(yaml.safe_dump(DOCUMENT))
    change(document)
    path = folder / "people.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="session")
def people_spec(config_file):
    """The spec of that config."""
    return load_config(config_file).feature_spec()


@dataclass(frozen=True)
class PeopleBundle:
    """A signed bundle, the workspace's layout around it, and what the scaler was fitted to."""

    path: Path
    key: Path
    values: np.ndarray


@pytest.fixture(scope="session")
def people_bundle(tmp_path_factory, fleet, people_spec):
    """A bundle of the healthy flight, in ``models/people/1.0.0`` of a workspace with ``keys``."""
    workspace = tmp_path_factory.mktemp("workspace")
    keys = new_key_pair(workspace / "keys")
    path = workspace / "models" / "people" / "1.0.0" / "people.bundle"
    path.parent.mkdir(parents=True)
    info = next(info for info in read_index(fleet) if info.recording_id == HEALTHY)
    recording = load_recording(fleet, info, conditions=people_spec.speeds)
    windows = [window for window in windows_of(recording, people_spec) if not window.reason]
    values = np.stack([window.values for window in windows])
    golden = [cut_window(recording, people_spec, windows[0].start_ns)]
    members = members_of(people_spec, values, golden)
    path.write_bytes(pack_bundle(members, load_private_key(keys.private)))
    return PeopleBundle(path, keys.public, values)


def members_of(spec, values, golden):
    """The members of a bundle whose score is the mean squared z-score of the features."""
    n = values.shape[1]
    scale = np.maximum(values.std(axis=0), np.float32(1e-6))
    model = z_score_model(values.mean(axis=0), scale)
    thresholds = Thresholds(
        pooled=4.0, phases={"cruise": 2.5}, k=3, n=5, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95
    )
    manifest = Manifest(
        detector="people", version="1.0.0", fleet="demo", sequence=1, release_class="development",
        spec_digest=spec.digest, min_agent_version="0.1.0",
    )  # fmt: skip
    return {
        MANIFEST: manifest.to_json(),
        MODEL: model,
        FEATURE_SPEC: spec.to_json(),
        SCALER: fit_scaler(spec, values).to_json(),
        THRESHOLDS: thresholds.to_json(),
        IO_SCHEMA: IoSchema.of(n).to_json(),
        METRICS: b"{}",
        MODEL_CARD: b"# People\n",
        **prove_windows(spec, golden, Scorer(model, n)).to_members(),
    }


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def features(monkeypatch, capsys):
    """Calls ``ground features`` with arguments, in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ground", "features", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call
