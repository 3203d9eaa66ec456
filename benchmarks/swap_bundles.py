"""Signed bundles of a wanted size, that differ in their version alone: what the benchmark of swaps goes over to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.bench_bundle import BenchBundle, bench_config, bench_manifest, fit_scaler, thresholds_over
from benchmarks.vibration import vibration
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE, IoSchema
from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MANIFEST, METRICS, MODEL, MODEL_CARD, SCALER, THRESHOLDS
from edge_agent.scorer import Scorer
from ground.keys import load_private_key, new_key_pair
from ground.pack import pack_bundle
from ground.workspace import write_atomic
from shared_features.extract import extract_windows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ground.config import Config
    from shared_features.spec import FeatureSpec

_FIT_S = 40.0
_HIDDEN = 256
_BYTES_PER_WEIGHT = 4
_OPSET = 20
_IR_VERSION = 10
_NO_CONDITIONS = np.zeros(0)


def make_swap_bundles(folder: Path, *, model_bytes: int, golden: int, n: int) -> Sequence[BenchBundle]:
    """Sign ``n`` bundles of one channel of 25.6 kHz and 10 s windows, of sequence 1 to ``n``.

    Args:
        folder: Receives them and a new key pair.
        model_bytes: Size of the model: a chain of dense layers, all of which every score passes.
        golden: Golden windows; each takes a megabyte.
        n: How many.
    """
    config = bench_config(1)
    keys = new_key_pair(folder / "keys")
    key = load_private_key(keys.private)
    members = _members(config, model_bytes, golden)
    bundles: list[BenchBundle] = []
    for number in range(1, n + 1):
        manifest = replace(bench_manifest(config), version=f"{number}.0.0", sequence=number)
        path = folder / f"{number}.bundle"
        write_atomic(path, pack_bundle({**members, MANIFEST: manifest.to_json()}, key))
        bundles.append(BenchBundle(path, keys.public, config.feature_spec()))
    return bundles


def _members(config: Config, model_bytes: int, golden: int) -> Mapping[str, bytes]:
    spec = config.feature_spec()
    samples = vibration(spec, _FIT_S)
    features = np.stack([window.values for window in extract_windows(spec, samples, _NO_CONDITIONS)])
    scaler = fit_scaler(spec, features)
    model = _model(len(scaler.names), model_bytes)
    scorer = Scorer(model, len(scaler.names))
    return {
        MODEL: model,
        FEATURE_SPEC: spec.to_json(),
        SCALER: scaler.to_json(),
        THRESHOLDS: thresholds_over(config, scorer.score_many(features)).to_json(),
        IO_SCHEMA: IoSchema.of(len(scaler.names)).to_json(),
        METRICS: b"{}",
        MODEL_CARD: b"# Swap\n\nRandom weights. It detects nothing.\n",
        **_golden(spec, samples, golden, scorer).to_members(),
    }


def _golden(spec: FeatureSpec, samples: NDArray[np.float32], n: int, scorer: Scorer) -> GoldenVectors:
    """The first windows of the samples, a hop apart."""
    hop_n = round(spec.hop_s * spec.sampling_rate_hz)
    windows = np.stack([samples[index * hop_n : index * hop_n + spec.window_n] for index in range(n)])
    features = np.stack([extract_windows(spec, window, _NO_CONDITIONS)[0].values for window in windows])
    scores = np.array([scorer.score(each).score for each in features], dtype=np.float32)
    return GoldenVectors(
        samples=windows, speeds=np.zeros((n, 0)), pulses=np.zeros((n, 0, 0)), features=features, scores=scores
    )


def _model(n_feature: int, n_byte: int) -> bytes:
    """Dense layers of random weights and tanh, up to that many bytes."""
    random = np.random.default_rng(0)
    inner = max(round(n_byte / _BYTES_PER_WEIGHT - 2 * n_feature * _HIDDEN) // _HIDDEN**2, 0)
    sizes = [n_feature, *[_HIDDEN] * (inner + 1), n_feature]
    nodes, weights, before = [], [], INPUT
    for index, (wide, high) in enumerate(itertools.pairwise(sizes)):
        values = random.standard_normal((wide, high), dtype=np.float32) / np.float32(np.sqrt(wide))
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [before, f"w{index}"], [f"m{index}"]))
        nodes.append(helper.make_node("Tanh", [f"m{index}"], [f"t{index}"]))
        before = f"t{index}"
    weights.append(helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
    nodes += [
        helper.make_node("Identity", [before], [RECONSTRUCTION]),
        helper.make_node("Sub", [INPUT, before], ["residual"]),
        helper.make_node("Abs", ["residual"], ["size"]),
        helper.make_node("ReduceMean", ["size", "axes"], [SCORE], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", n_feature])]
    outputs = [
        helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", n_feature]),
        helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
    ]
    graph = helper.make_graph(nodes, "swap", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())
