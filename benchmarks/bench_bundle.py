"""A small signed bundle with a model of the product, fitted to seeded vibration: what the benchmarks run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.vibration import vibration
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.io_schema import IoSchema
from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MANIFEST, METRICS, MODEL, MODEL_CARD, SCALER, THRESHOLDS
from edge_agent.manifest import RELEASE, Manifest
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from ground.checkpoints import MemoryStore
from ground.config import Config
from ground.keys import load_private_key, new_key_pair
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import fit_core
from ground.models.family import FitData
from ground.onnx_export import export_onnx
from ground.pack import pack_bundle
from ground.training_loop import LoopRun
from ground.workspace import write_atomic
from shared_features.extract import extract_windows
from shared_features.feature import LOG
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from shared_features.spec import FeatureSpec

RATE_HZ = 25_600.0
FLEET = "bench"

_FIT_S = 60.0
_VALIDATION_WINDOWS = 16
_NO_CONDITIONS = np.zeros(0)
_THRESHOLD_OVER_HIGHEST = 2.0


@dataclass(frozen=True, slots=True)
class BenchBundle:
    """A bundle on disk.

    Attributes:
        path: The ``.bundle`` file.
        public_key: The key that verifies it.
        spec: Its feature spec.
    """

    path: Path
    public_key: Path
    spec: FeatureSpec


def make_bundle(folder: Path, *, n_channel: int, window_s: float = 10.0) -> BenchBundle:
    """Fit, export and sign a detector: 25.6 kHz, and the product's default windows, features and model.

    Args:
        folder: Receives the bundle and a new key pair.
        n_channel: Channels of the engine.
        window_s: Its windows; 10 s are the product's default.
    """
    config = bench_config(n_channel, window_s)
    keys = new_key_pair(folder / "keys")
    bundle = pack_bundle(_members(config), load_private_key(keys.private))
    path = folder / "bench.bundle"
    write_atomic(path, bundle)
    return BenchBundle(path, keys.public, config.feature_spec())


def bench_config(n_channel: int, window_s: float = 10.0) -> Config:
    """The config of the bench detector: everything that is not said here is the product's default."""
    channels = [{"name": f"vib{index}", "unit": "g"} for index in range(n_channel)]
    document = {
        "schema": 1,
        "detector": "bench",
        "signal": {"sampling_rate_hz": RATE_HZ, "channels": channels},
        "bundle": {"fleet": FLEET},
        "features": {"window_s": window_s},
    }
    return Config.model_validate(document)


def _members(config: Config) -> Mapping[str, bytes]:
    spec = config.feature_spec()
    samples = vibration(spec, _FIT_S)
    features = np.stack([window.values for window in extract_windows(spec, samples, _NO_CONDITIONS)])
    scaler = fit_scaler(spec, features)
    model = _fit_model(config, scaler, features)
    scorer = Scorer(model, len(scaler.names))
    return {
        MANIFEST: bench_manifest(config).to_json(),
        MODEL: model,
        FEATURE_SPEC: spec.to_json(),
        SCALER: scaler.to_json(),
        THRESHOLDS: thresholds_over(config, scorer.score_many(features)).to_json(),
        IO_SCHEMA: IoSchema.of(len(scaler.names)).to_json(),
        METRICS: b"{}",
        MODEL_CARD: b"# Bench detector\n\nFitted to synthetic vibration to measure speed. It detects nothing.\n",
        **_golden(spec, samples, features, scorer).to_members(),
    }


def fit_scaler(spec: FeatureSpec, features: NDArray[np.float32]) -> Scaler:
    """The scaler of (n, n_feature) healthy features."""
    columns = columns_of(spec)
    scales = tuple(column.scale for column in columns)
    is_log = np.array([scale == LOG for scale in scales])
    physical = features.astype(np.float64)
    scaled = np.where(is_log, np.log(np.where(is_log, physical, 1.0)), physical)
    return Scaler(
        tuple(column.name for column in columns), scales, tuple(scaled.mean(axis=0)), tuple(scaled.std(axis=0))
    )


def _fit_model(config: Config, scaler: Scaler, features: NDArray[np.float32]) -> bytes:
    z = scaler.transform(features).astype(np.float32)
    data = FitData(names=scaler.names, fit=z[:-_VALIDATION_WINDOWS], validation=z[-_VALIDATION_WINDOWS:])
    run = LoopRun(
        name="bench", seed=config.seed, store=MemoryStore(), resume=False, progress=lambda _what, _done, _of: None
    )
    core = fit_core(config.model.family, data, config.model, run).core
    return export_onnx(DetectorModule(scaler, core, Conditioner(data.n_feature, 0)), data.n_feature)


def thresholds_over(config: Config, scores: NDArray[np.float32]) -> Thresholds:
    """Thresholds that no healthy score comes near to."""
    decision = config.decision
    return Thresholds(
        pooled=_THRESHOLD_OVER_HIGHEST * float(scores.max()),
        phases={},
        k=decision.k,
        n=decision.n,
        release_ratio=decision.release_ratio,
        false_alarm_rate=decision.false_alarm_rate,
        confidence=decision.confidence,
    )


def bench_manifest(config: Config) -> Manifest:
    """The manifest of the first release."""
    return Manifest(
        detector=config.detector,
        version="1.0.0",
        fleet=config.bundle.fleet,
        sequence=config.bundle.sequence,
        epoch=config.bundle.epoch,
        release_class=RELEASE,
        spec_digest=config.feature_spec().digest,
        min_agent_version=config.bundle.min_agent_version,
        ecr="none: measures speed",
    )


def _golden(
    spec: FeatureSpec, samples: NDArray[np.float32], features: NDArray[np.float32], scorer: Scorer
) -> GoldenVectors:
    return GoldenVectors(
        samples=samples[np.newaxis, : spec.window_n],
        speeds=np.zeros((1, 0)),
        pulses=np.zeros((1, 0, 0)),
        features=features[:1],
        scores=np.array([scorer.score(features[0]).score], dtype=np.float32),
    )
