"""The proof in a limited child: what it finds, and what it is ended for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from edge_agent.archive import read_archive
from edge_agent.errors import BundleError
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE
from edge_agent.layout import GOLDEN_FEATURES, GOLDEN_SCORES, MODEL
from edge_agent.prove_child import prove_in_child
from shared_features.vector import columns_of
from tests.conftest import ROOT, wait_until


@pytest.fixture
def members(small_bundle: Any) -> dict[str, bytes]:
    """Members of an honest bundle."""
    return read_archive(small_bundle.path.read_bytes())


def hungry_model(n_feature: int, n_bytes: int) -> bytes:
    """35: a few bytes of model that want ``n_bytes`` of memory when they run."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [n_bytes // 4])
    nodes = [
        helper.make_node("Identity", [INPUT], [RECONSTRUCTION]),
        helper.make_node("RandomUniform", [], ["huge"], shape=[n_bytes // 4]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=1),
        helper.make_node("ReduceMean", [INPUT, "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "sum"], [SCORE]),
    ]
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", n_feature])]
    outputs = [
        helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", n_feature]),
        helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "hungry", inputs, outputs, [axes, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def refusal(members: dict[str, bytes], **limits: Any) -> str:
    """Why they are refused."""
    with pytest.raises(BundleError) as caught:
        prove_in_child(members, **limits)
    return caught.value.reason


def test_honest_bundle(members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes, whatever lies in the working folder."""
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    (tmp_path / "edge_agent").mkdir()
    monkeypatch.chdir(tmp_path)
    prove_in_child(members)


def test_golden_vectors_not_reproduced(members: dict[str, bytes]) -> None:
    """38: the child says which kind of them."""
    for name in (GOLDEN_FEATURES, GOLDEN_SCORES):
        spoilt = bytearray(members[name])
        spoilt[-1] ^= 1
        assert refusal({**members, name: bytes(spoilt)}) == name.replace("/", "_").removesuffix(".npy")


def test_model_that_is_none(members: dict[str, bytes]) -> None:
    """What onnxruntime refuses is refused."""
    assert refusal({**members, MODEL: b"\x00"}) == "model_interface"


def test_model_that_eats_memory(members: dict[str, bytes], small_bundle: Any) -> None:
    """35: it does not get what it wants; with room for it, it would have run."""
    n_feature = len(columns_of(small_bundle.spec))
    members[MODEL] = hungry_model(n_feature, 600 * 1024 * 1024)
    assert refusal(members, memory_mib=500) in {"model_interface", "model_limits"}
    members[MODEL] = hungry_model(n_feature, 4096)
    assert refusal(members, memory_mib=500) == "golden_scores"


@pytest.mark.parametrize("limits", [{"wall_s": 0.01}, {"memory_mib": 1}], ids=json.dumps)
def test_limits(members: dict[str, bytes], limits: dict[str, Any]) -> None:
    """36: a child that takes too long, or too much, is ended."""
    assert refusal(members, **limits) == "model_limits"


def test_kernel_takes_the_child_first() -> None:
    """Where a unit has less memory than the child's limit, the agent must not be what is ended."""
    command = [sys.executable, "-m", "edge_agent.prove_child", "512"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as child:
        score = Path(f"/proc/{child.pid}/oom_score_adj")
        wait_until(lambda: score.read_text().strip() == "1000", "the child to make itself the first to go")
        child.kill()
