"""The one onnxruntime session: features in, score and reconstruction out.

The session is made from bytes that were verified, never from a path on a disk, with one thread and no spinning.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.errors import ScorerError
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE

# Later versions than ours upload usage data unless this stands before the import; ours does not, and never shall.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.sealed_file import SealedPath

OUTPUTS = (RECONSTRUCTION, SCORE)
_FATAL_ONLY = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """What the model says of one window: ``score`` (higher is stranger) and the (n_feature,) ``reconstruction``."""

    score: float
    reconstruction: NDArray[np.float32]


class Scorer:
    """Scores feature vectors with one ONNX model.

    Args:
        model: The ONNX file's bytes, or where ``sealed`` has put them.
        n_feature: Length of the feature vector.

    Raises:
        ScorerError: onnxruntime refuses the model, or its inputs and outputs are not the promised ones.
    """

    def __init__(self, model: bytes | SealedPath, n_feature: int) -> None:
        self._n_feature = n_feature
        self._session = _session(model)
        _check_interface(self._session, n_feature)
        self._features = np.zeros((1, n_feature), dtype=np.float32)
        self._reconstruction = np.zeros((1, n_feature), dtype=np.float32)
        self._score = np.zeros(1, dtype=np.float32)
        self._binding = self._bind()

    def score(self, features: NDArray[np.float32]) -> Scored:
        """Score one window.

        Args:
            features: (n_feature,) float32 in physical units.

        Raises:
            ScorerError: The model fails on these features or gives no finite score.
        """
        self._features[0] = features
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # onnxruntime raises bare classes of its own C module
            raise ScorerError(f"model: expected a score, got {error}; replay the bundle's golden vectors") from error
        score = float(self._score[0])
        if not np.isfinite(score):
            raise ScorerError(f"model: expected a finite score, got {score}; replay the bundle's golden vectors")
        return Scored(score, self._reconstruction[0].copy())

    def score_many(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of (n, n_feature) feature vectors, (n,) float32."""
        if len(features) == 0:
            return np.zeros(0, dtype=np.float32)
        outputs = self._session.run([SCORE], {INPUT: np.ascontiguousarray(features, dtype=np.float32)})
        return np.asarray(outputs[0], dtype=np.float32)

    def _bind(self) -> Any:
        binding = self._session.io_binding()
        features, reconstruction, score = self._features, self._reconstruction, self._score
        binding.bind_input(INPUT, "cpu", 0, np.float32, features.shape, features.ctypes.data)
        binding.bind_output(OUTPUTS[0], "cpu", 0, np.float32, reconstruction.shape, reconstruction.ctypes.data)
        binding.bind_output(OUTPUTS[1], "cpu", 0, np.float32, score.shape, score.ctypes.data)
        return binding


def _session(model: bytes | SealedPath) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    # Bytes that only look like onnxruntime's own format would otherwise be read as such, past the scan of the graph.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare classes of its own C module
        raise ScorerError(f"model.onnx: expected a model onnxruntime loads, got {error}; export it again") from error


def _check_interface(session: Any, n_feature: int) -> None:
    inputs = [(item.name, item.type, item.shape[1:]) for item in session.get_inputs()]
    outputs = [(item.name, item.type, item.shape[1:]) for item in session.get_outputs()]
    expected_inputs = [(INPUT, "tensor(float)", [n_feature])]
    expected_outputs = [(OUTPUTS[0], "tensor(float)", [n_feature]), (OUTPUTS[1], "tensor(float)", [])]
    if inputs != expected_inputs or outputs != expected_outputs:
        raise ScorerError(
            f"model.onnx: expected {expected_inputs} -> {expected_outputs}, got {inputs} -> {outputs}; export it again"
        )
