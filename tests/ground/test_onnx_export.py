"""The exported graph: the same numbers as torch, the same bytes again, and nothing the agent refuses."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edge_agent.io_schema import IoSchema
from edge_agent.onnx_scan import scan_onnx
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from ground import onnx_export
from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.errors import TrainingError
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import fit_core
from ground.models.family import FitData
from ground.models.level_guard import LevelLimit
from ground.onnx_export import LARGEST_RELATIVE_ERROR, OPSET, check_equal, export_onnx
from ground.training_loop import LoopRun

N_FEATURE = 32
NAMES = tuple(f"acc.f{index}" for index in range(N_FEATURE))
OPERATORS = (
    {"Abs", "Add", "Div", "Exp", "Gemm", "Log", "MatMul", "Max", "Mul", "Neg", "Pow", "Relu", "Sqrt", "Sub"}
    | {"ReduceMax", "ReduceMean", "ReduceSum", "TopK", "Cast", "Clip", "Where"}
    | {"Concat", "Gather", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
)
"""All that any family needs of the agent's allow-list."""


def _scaler() -> Scaler:
    """Half logarithmic, with spreads so small that float32 logarithms would not do."""
    random = np.random.default_rng(0)
    return Scaler(
        names=NAMES,
        scales=("log", "linear") * (N_FEATURE // 2),
        mean=tuple(random.normal(scale=5.0, size=N_FEATURE).tolist()),
        std=tuple(np.geomspace(1e-3, 3.0, N_FEATURE).tolist()),
    )


def _healthy(n: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(n, n_feature) z of eight factors and some noise."""
    mixing = np.random.default_rng(1).normal(size=(8, N_FEATURE)) / np.sqrt(8.0)
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, 8)) @ mixing + 0.2 * random.normal(size=(n, N_FEATURE))
    return z.astype(np.float32)


def _module(family: str) -> DetectorModule:
    faulty = _healthy(60, 6) + np.float32(3.0)
    limit = LevelLimit(weights=np.full(N_FEATURE, 0.3 / N_FEATURE), log_level=0.1, score=1.5)
    data = FitData(names=NAMES, fit=_healthy(800, 2), validation=_healthy(200, 3), faulty=faulty, level_limit=limit)
    run = LoopRun(name="test", seed=5, store=MemoryStore(), resume=False, progress=lambda *_: None)
    return DetectorModule(
        _scaler(), fit_core(family, data, ModelConfig(max_epochs=15), run).core, Conditioner(len(NAMES), 0)
    )


THOROUGHLY = ("autoencoder", "ensemble", "mahalanobis")
"""A network, a closed form, and the one that holds most others; ``test_model_families`` asks each family for less."""


@pytest.fixture(scope="module", params=THOROUGHLY)
def exported(request: pytest.FixtureRequest) -> tuple[str, DetectorModule, bytes]:
    """Each family with its export."""
    module = _module(request.param)
    return request.param, module, export_onnx(module, N_FEATURE)


def _features(module: DetectorModule, n: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Windows of which most are healthy, a part stranger by up to a hundred times."""
    z = _healthy(n, 4) * np.geomspace(1.0, 100.0, n, dtype=np.float32)[:, None] ** 0.5
    with torch.no_grad():
        return module.normaliser.inverse(torch.tensor(z)).numpy()


def test_onnxruntime_equals_torch_on_ten_thousand_windows(exported: tuple[str, DetectorModule, bytes]) -> None:
    """The agent's scorer, one window at a time, is within 1e-5 of torch."""
    _, module, model = exported
    assert check_equal(module, model, _features(module, 10_000)) <= LARGEST_RELATIVE_ERROR


def test_any_batch_gives_the_same_scores(exported: tuple[str, DetectorModule, bytes]) -> None:
    """The batch axis is open: thousands at once are what one by one gives, up to the order of float32 sums."""
    _, module, model = exported
    features = _features(module, 3000)
    scorer = Scorer(model, N_FEATURE)
    one_by_one = [scorer.score(row).score for row in features]
    np.testing.assert_allclose(scorer.score_many(features), one_by_one, rtol=LARGEST_RELATIVE_ERROR)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3.4e38, -3.4e38, 0.0])
def test_wild_input_is_finite_in_onnxruntime_too(exported: tuple[str, DetectorModule, bytes], value: float) -> None:
    """Cut to a finite, far-out score, the same one as torch's."""
    _, module, model = exported
    features = np.full((2, N_FEATURE), value, dtype=np.float32)
    assert check_equal(module, model, features) <= LARGEST_RELATIVE_ERROR


def test_agent_accepts_the_graph(exported: tuple[str, DetectorModule, bytes]) -> None:
    """One pinned opset, standard operators of a short list, and the interface of the seed."""
    _, _, model = exported
    scan_onnx(model, IoSchema.of(N_FEATURE))
    parsed = onnx.load_from_string(model)
    assert [(entry.domain, entry.version) for entry in parsed.opset_import] == [("", OPSET)]
    assert {node.op_type for node in parsed.graph.node} <= OPERATORS
    assert [value.name for value in parsed.graph.output] == ["reconstruction", "anomaly_score"]


def test_nothing_of_this_machine_is_inside(exported: tuple[str, DetectorModule, bytes]) -> None:
    """No path, source line, version or metadata: torch writes stack traces into the graph unless they are removed."""
    _, _, model = exported
    for trace in (str(Path(onnx_export.__file__).parents[1]).encode(), b".py", b"torch", b"pkg.", b"site-packages"):
        assert trace not in model
    parsed = onnx.load_from_string(model)
    parts = (parsed, parsed.graph, *parsed.graph.node, *parsed.graph.initializer, *parsed.graph.input)
    assert not any(part.metadata_props or part.doc_string for part in parts)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in parsed.graph.initializer)


ELSEWHERE = ("autoencoder", "gmm", "mahalanobis")
"""Trained, iterated, closed: exporting takes seconds, and that all weights are the same is asked in ``test_models``."""

_SCRIPT = """
import sys, hashlib, importlib.util
spec = importlib.util.spec_from_file_location("onnx_test", sys.argv[1])
test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)
for name in test.ELSEWHERE:
    print(hashlib.sha256(test.export_onnx(test._module(name), test.N_FEATURE)).hexdigest())
"""


def test_export_gives_the_same_bytes_again(exported: tuple[str, DetectorModule, bytes]) -> None:
    """Exported a second time: one file."""
    _, module, model = exported
    assert export_onnx(module, N_FEATURE) == model


def test_another_process_gives_the_same_bytes() -> None:
    """Trained and exported in another process: one file, and nothing on the terminal."""
    here = [hashlib.sha256(export_onnx(_module(name), N_FEATURE)).hexdigest() for name in ELSEWHERE]
    there = subprocess.run([sys.executable, "-c", _SCRIPT, __file__], capture_output=True, text=True, check=True)
    assert there.stdout.split() == here
    assert there.stderr == ""


def test_another_model_is_not_equal(exported: tuple[str, DetectorModule, bytes]) -> None:
    """One weight off by a thousandth is found."""
    family, _, model = exported
    other = _module(family)
    with torch.no_grad():
        next(iter(other.core.state_dict().values())).view(-1)[0] += 1e-3
    with pytest.raises(TrainingError, match=r"expected .* within 1e-05 of torch's, got a relative error of"):
        check_equal(other, model, _features(other, 500))


def test_nan_is_not_equal(exported: tuple[str, DetectorModule, bytes]) -> None:
    """A model that gives NaN fails the check, for no comparison with NaN may pass."""
    family, _, _ = exported
    broken = _module(family)
    with torch.no_grad():
        next(iter(broken.core.state_dict().values())).view(-1)[0] = torch.nan
    model = onnx_export._bytes(onnx_export._cleaned(onnx_export._exported(broken, N_FEATURE)))
    with pytest.raises(TrainingError, match="expected finite outputs from onnxruntime"):
        check_equal(broken, model, _features(broken, 20))


def test_simplification_that_changes_bits_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """When onnxsim's graph gives other outputs, the plain one is exported."""
    module, other = _module("mahalanobis"), _module("mahalanobis")
    with torch.no_grad():
        other.core.state_dict()["mean"][0] += 1e-3
    foreign = onnx_export._exported(other, N_FEATURE)
    monkeypatch.setattr(onnx_export, "_simplified", lambda _: foreign)
    model = export_onnx(module, N_FEATURE)
    assert check_equal(module, model, _features(module, 100)) <= LARGEST_RELATIVE_ERROR


def test_graph_the_agent_refuses_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator off the allow-list is found on the ground, not on board."""
    module = _module("mahalanobis")
    monkeypatch.setattr("edge_agent.onnx_format.OPERATORS", frozenset({"Add"}))
    with pytest.raises(TrainingError, match=r"model\.onnx: expected a graph the agent runs"):
        export_onnx(module, N_FEATURE)
