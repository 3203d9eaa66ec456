"""From a torch module to the ONNX bytes that fly, and the proof that they are the same model."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch

from edge_agent.errors import ModelRejected, ScorerError
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE, IoSchema
from edge_agent.onnx_scan import scan_onnx
from edge_agent.scorer import Scorer
from ground.errors import TrainingError
from ground.models.detector_module import DetectorModule, ModelOutputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

OPSET = 20
LARGEST_RELATIVE_ERROR = 1e-5
"""Between torch and onnxruntime, on any held-out window."""

_PRODUCER = "enginear"
_GRAPH = "detector"
_BATCH = "batch"
_PROBE_N = 256
_PROBE_SPREAD = 3.0


def export_onnx(module: DetectorModule, n_feature: int) -> bytes:
    """Export to one ONNX file without external data; the same module gives the same bytes.

    The graph is simplified by onnxsim where onnxruntime then gives the very same bits, else it stays as torch wrote it.
    Paths, stack traces and version texts are removed: torch leaves them in the metadata.

    Args:
        module: A fitted detector.
        n_feature: Length of its feature vector.

    Returns:
        A model of opset ``OPSET`` with a dynamic batch: ``input_features`` (batch, n_feature) -> ``reconstruction``
        (batch, n_feature), ``anomaly_score`` (batch,), all float32, the outputs in this order.

    Raises:
        TrainingError: The graph holds something that the agent refuses.
    """
    plain = _bytes(_cleaned(_exported(module, n_feature)))
    probe = _probe(module, n_feature)
    simplified = _bytes(_cleaned(_simplified(plain)))
    chosen = simplified if _same_bits(plain, simplified, probe) else plain
    try:
        scan_onnx(chosen, IoSchema.of(n_feature))
    except ModelRejected as error:
        raise TrainingError(f"model.onnx: expected a graph the agent runs, got {error}; change the family") from error
    return chosen


def check_equal(module: DetectorModule, model: bytes, features: NDArray[np.float32]) -> float:
    """Check that the agent's scorer gives what torch gives.

    Args:
        module: The detector.
        model: Its export.
        features: (n, n_feature) float32 windows in physical units, held-out ones for choice.

    Returns:
        The largest relative error over scores and reconstructions. A reconstruction is compared relative to its own
        size or, where that is smaller, to that feature's usual size on healthy windows.

    Raises:
        TrainingError: It exceeds ``LARGEST_RELATIVE_ERROR``, or onnxruntime refuses the model.
    """
    expected = module.outputs(features)
    got = _scored(model, features)
    errors = {
        SCORE: _relative_error(got.score, expected.score, least=float(np.finfo(np.float32).tiny)),
        RECONSTRUCTION: _relative_error(
            got.reconstruction, expected.reconstruction, least=module.normaliser.usual_size()
        ),
    }
    name, largest = max(errors.items(), key=lambda item: item[1])
    if not largest <= LARGEST_RELATIVE_ERROR:
        raise TrainingError(
            f"model.onnx: expected {name} within {LARGEST_RELATIVE_ERROR:g} of torch's, got a relative error of "
            f"{largest:g}; raise model.shrinkage or train again: weights this large cannot be trusted in float32"
        )
    return largest


def _exported(module: DetectorModule, n_feature: int) -> onnx.ModelProto:
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            (torch.ones(2, n_feature),),
            input_names=[INPUT],
            output_names=[RECONSTRUCTION, SCORE],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim(_BATCH)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise TrainingError("model.onnx: expected a graph from torch, got none; change the family")
    return program.model_proto


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    # It warns at every export that torchvision, which nothing here needs, is not installed.
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 copies its own deprecated class while it exports.
            warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _simplified(model: bytes) -> onnx.ModelProto:
    import onnxsim

    simplified: onnx.ModelProto = onnxsim.simplify(onnx.load_from_string(model))[0]
    return simplified


def _cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without anything that does not compute, so that equal weights give equal bytes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        attribute.ClearField("doc_string")
    graph.ClearField("value_info")
    graph.name = _GRAPH
    model.producer_name = _PRODUCER
    model.ClearField("producer_version")
    return model


def _bytes(model: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _probe(module: DetectorModule, n_feature: int) -> NDArray[np.float32]:
    """(n, n_feature) float32 windows around and beyond the healthy ones."""
    z = np.random.default_rng(0).normal(scale=_PROBE_SPREAD, size=(_PROBE_N, n_feature))
    with torch.no_grad():
        features: NDArray[np.float32] = module.normaliser.inverse(torch.tensor(z)).numpy()
    return features


def _same_bits(first: bytes, second: bytes, features: NDArray[np.float32]) -> bool:
    one, other = _scored(first, features), _scored(second, features)
    same = np.array_equal(one.reconstruction, other.reconstruction) and np.array_equal(one.score, other.score)
    return bool(same)


def _scored(model: bytes, features: NDArray[np.float32]) -> ModelOutputs:
    """The outputs of the agent's own scorer, one window at a time as on board."""
    try:
        scorer = Scorer(model, features.shape[1])
        scored = [scorer.score(row) for row in features]
    except ScorerError as error:
        raise TrainingError(
            f"model.onnx: expected finite outputs from onnxruntime, got {error}; train again"
        ) from error
    scores = np.array([row.score for row in scored], dtype=np.float32)
    return ModelOutputs(np.stack([row.reconstruction for row in scored]), scores)


def _relative_error(
    got: NDArray[np.float32], expected: NDArray[np.float32], *, least: float | NDArray[np.float64]
) -> float:
    """The largest error, each relative to the expected value or, where that is smaller, to ``least``."""
    wanted = expected.astype(np.float64)
    return float(np.max(np.abs(got.astype(np.float64) - wanted) / np.maximum(np.abs(wanted), least)))
