"""A tiny fleet that went the whole way through the real stages, and the stream of a real detector over it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector, LoadedModel
from edge_agent.layout import MODEL, SCALER, THRESHOLDS
from edge_agent.result import Latency, Result, Runtime
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from ground.config import Config
from ground.demo.stream_table import stream_table
from ground.evaluate import evaluate
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.frames import frames_of
from ground.preprocess import preprocess
from ground.recordings import load_recording, read_index
from ground.report.evidence_file import read_run
from ground.train import train
from ground.workspace import Workspace

RATE_HZ = 1024
FLIGHT_S = 12
ONSET_S = 5
CONFIG = {
    "schema": 1,
    "detector": "tiny_detector",
    "ecr": "ECR-1",
    "seed": 3,
    "signal": {"sampling_rate_hz": RATE_HZ, "channels": [{"name": "acc_1", "unit": "g"}]},
    "features": {
        "record_s": 0.5,
        "window_s": 1.0,
        "hop_s": 0.5,
        "envelope": {"enabled": True, "band_hz": "auto"},
    },
    "split": {"folds": 2},
    "model": {"family": "mahalanobis", "baselines": ["mahalanobis"]},
    "decision": {"k": 2, "n": 3},
}
KINDS = {"healthy": ("", 14), "ball": ("bearing_ball", 2), "weak": ("looseness", 2), "flat": ("sensor_flatline", 1)}


def silent(_what, _done, _total):
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def report_config():
    """The config of the tiny fleet."""
    return Config.model_validate(CONFIG)


@pytest.fixture(scope="session")
def report_spec(report_config, evaluated):
    """Its FeatureSpec."""
    return frozen_spec(report_config, evaluated)


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory, report_config):
    """A workspace after preprocess, featurize, train and evaluate; read only."""
    workspace = Workspace(tmp_path_factory.mktemp("report"))
    _write_raw(workspace.raw)
    preprocess(report_config, workspace, progress=silent)
    featurize(report_config, workspace, progress=silent, workers=1)
    train(report_config, workspace, resume=False, progress=silent)
    evaluate(report_config, workspace, progress=silent)
    return workspace


@pytest.fixture(scope="session")
def streamed(tmp_path_factory, evaluated, report_config):
    """A copy of it with ``evaluation/stream.parquet``, as the demo leaves it; read only."""
    workspace = Workspace(tmp_path_factory.mktemp("streamed") / "workspace")
    shutil.copytree(evaluated.root, workspace.root)
    _stream(workspace, report_config)
    return workspace


@pytest.fixture
def workspace(tmp_path, streamed):
    """A copy of the streamed workspace to break."""
    return Workspace(shutil.copytree(streamed.root, tmp_path / "workspace"))


@pytest.fixture
def run_evidence(evaluated):
    """What the evaluation found."""
    return read_run(evaluated)


@pytest.fixture
def evidence(run_evidence):
    """All of it but the latency."""
    return run_evidence.evidence


def _write_raw(folder):
    folder.mkdir(parents=True)
    rows = []
    for kind, (fault, count) in KINDS.items():
        for number in range(count):
            name = f"{kind}-{number}"
            columns = _samples(np.random.default_rng([len(rows), 5]), fault)
            table = pa.table(columns).replace_schema_metadata({"sampling_rate_hz": str(RATE_HZ)})
            pq.write_table(table, folder / f"{name}.parquet")
            rows.append({
                "recording_id": name, "file": f"{name}.parquet", "dataset": "tiny", "unit_id": f"unit-{name}",
                "sampling_rate_hz": RATE_HZ, "channels": "acc_1", "signal_units": "g",
                "label": "mixed" if fault else "healthy", "fault_type": fault,
                "start_ns": 10**18 + len(rows) * 10**12,
            })  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "recordings.csv", index=False)


def _samples(rng, fault):
    """Noise and a tone; a bearing adds a second tone, looseness almost nothing, a dead sensor stands still."""
    n = FLIGHT_S * RATE_HZ
    t_s = np.arange(n) / RATE_HZ
    late = t_s >= ONSET_S
    x = rng.normal(0.0, 0.3 * rng.uniform(0.9, 1.1), n) + np.sin(2.0 * np.pi * 60.0 * t_s + rng.uniform(0.0, 6.0))
    x += late * {"bearing_ball": 1.5, "looseness": 0.005}.get(fault, 0.0) * np.sin(2.0 * np.pi * 300.0 * t_s)
    if fault == "sensor_flatline":
        x[late] = 0.25
    columns = {"acc_1": x.astype(np.float32), "phase": np.where(t_s < FLIGHT_S / 2, "climb", "cruise")}
    if fault:
        columns["anomaly"] = (late & (fault != "sensor_flatline")).astype(np.int8)
    return columns


def _stream(workspace, config):
    spec, candidate = frozen_spec(config, workspace), workspace.candidate(config.detector)
    scaler = Scaler.from_document(json.loads((workspace.processed / SCALER).read_bytes()))
    model = LoadedModel(
        bundle_id="tiny_detector/1.0.0", bundle_digest="b" * 64, spec=spec, scaler=scaler,
        thresholds=Thresholds.from_document(json.loads((candidate / THRESHOLDS).read_bytes())),
        scorer=Scorer((candidate / MODEL).read_bytes(), len(scaler.names)),
    )  # fmt: skip
    windows = pd.read_parquet(workspace.processed / "windows.parquet")
    tested = set(windows["recording_id"][windows["role"] == "test"])
    infos = [info for info in read_index(workspace.raw) if info.recording_id in tested]
    results = [result for info in infos for result in _results(model, workspace, info)]
    stream_table(results, windows).to_parquet(workspace.evaluation / "stream.parquet", index=False)


def _results(model, workspace, info):
    detector = Detector(model)
    recording = load_recording(workspace.raw, info, conditions=())
    for frame in frames_of(recording, frame_s=model.spec.record_s):
        for assessment in detector.push(frame):
            assert encode_assessment(assessment)
            latency = Latency(queue=0.1, decode=0.2, detect=0.5 + assessment.seq / 100.0)
            yield Result(assessment, Runtime(
                agent="t", run="r", monotonic_ns=0, clock="unknown", latency_ms=latency, deadline_missed=False,
            ))  # fmt: skip
