"""A bundle on trial meets a limited child at a start, before it meets the agent's own process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto, helper

from edge_agent import slots, slots_boot
from edge_agent.errors import SlotRefused
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE
from edge_agent.layout import MODEL
from edge_agent.slots_state import ROLLED_BACK, begin_boot
from ground.pack import pack_bundle
from shared_features.vector import columns_of
from tests.conftest import small_members, small_spec
from tests.faults.slot_rig import Rig


@pytest.fixture
def rig(tmp_path: Path, releases: Any) -> Rig:
    """See ``Rig``."""
    return Rig(tmp_path, tmp_path / "state", releases)


def hungry_bundle(folder: Path) -> Path:
    """A release whose model takes 3 GB as soon as it runs: the product of a column and a row."""
    members = small_members(small_spec(), version="2.0.0", sequence=2)
    side, n_feature = 28_000, len(columns_of(small_spec()))
    shapes = {"column": [side, 1], "row": [1, side]}
    nodes = [
        helper.make_node("Identity", [INPUT], [RECONSTRUCTION]),
        helper.make_node("ReduceMean", [INPUT, "axes"], ["mean"], keepdims=0),
        *(helper.make_node("Expand", ["mean", f"shape_{name}"], [name]) for name in shapes),
        helper.make_node("Mul", ["column", "row"], ["huge"]),
        helper.make_node("ReduceMean", ["huge"], ["one"], keepdims=0),
        helper.make_node("Mul", ["mean", "one"], [SCORE]),
    ]
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", n_feature])]
    outputs = [
        helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", n_feature]),
        helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
    ]
    constants = [helper.make_tensor("axes", TensorProto.INT64, [1], [1])]
    constants += [helper.make_tensor(f"shape_{name}", TensorProto.INT64, [2], shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "hungry", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = folder / "hungry.bundle"
    key = ec.derive_private_key(20261123, ec.SECP256R1())
    path.write_bytes(pack_bundle({**members, MODEL: bytes(model.SerializeToString())}, key))
    return path


def test_trial_meets_a_limited_child_first(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """35 at a start: what was installed elsewhere, and eats memory here, is never run in the agent's own process."""
    new = rig.install(hungry_bundle(tmp_path))
    rig.activate(new)
    proven = proven_here(monkeypatch)
    assert rig.start() == rig.old
    assert proven == [rig.old]
    # onnxruntime gives up by itself, or what it stands on is ended.
    assert rig.state.reason in {"model_interface", "model_limits"}
    is_blamed = rig.state.reason == "model_interface"
    assert (rig.state.stage, [each.digest for each in rig.state.rejected]) == (ROLLED_BACK, [new] * is_blamed)
    with pytest.raises(SlotRefused, match="has not failed here") if is_blamed else nullcontext():
        rig.activate(new)


def test_trial_that_takes_too_long(rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 at a start: a child that is not done in time is ended, before systemd loses patience with the agent."""
    new = rig.install(releases[1].path)
    rig.activate(new)
    monkeypatch.setattr(slots_boot, "START_WALL_S", 0.01)
    proven = proven_here(monkeypatch)
    assert (rig.start(), proven) == (rig.old, [rig.old])
    assert (rig.state.stage, rig.state.reason) == (ROLLED_BACK, "model_limits")
    assert rig.state.rejected == ()
    monkeypatch.undo()
    rig.activate(new)
    assert rig.start() == new


@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM"])
def test_trial_whose_child_is_killed(
    rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    """By the kernel for want of memory, or by somebody: the same bytes may run here once that is over."""
    new = rig.install(releases[1].path)
    rig.activate(new)
    killed = tmp_path / "python"
    killed.write_text(f"#!/bin/sh\nkill -{ending.removeprefix('SIG')} $$\n")
    killed.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(killed))
        assert rig.start() == rig.old
    assert (rig.state.stage, rig.state.reason, rig.state.rejected) == (ROLLED_BACK, "model_limits", ())
    rig.activate(new)
    assert rig.start() == new


def proven_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digests of what is run in this process from now on."""
    proven: list[str] = []
    plain = slots_boot.prove_model
    monkeypatch.setattr(slots_boot, "prove_model", lambda bundle: (proven.append(bundle.digest), plain(bundle))[1])
    return proven


def test_only_a_trial_pays_for_the_child(rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its later starts, and those of a proven bundle, are as fast as before; no child to be had is not its fault."""
    started: list[float] = []
    monkeypatch.setattr(slots, "prove_in_child", lambda _, *, wall_s: started.append(wall_s))
    assert rig.start() == rig.old
    assert started == []
    new = rig.install(releases[1].path)
    rig.activate(new)
    monkeypatch.setattr(slots, "prove_in_child", lambda _, *, wall_s: started.append(wall_s))
    assert (rig.start(), len(started)) == (new, 1)
    assert (rig.start(), len(started)) == (new, 1)


def test_no_child_to_be_had(rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no room for a process puts the bundle off, and may take it later."""
    new = rig.install(releases[1].path)
    rig.activate(new)

    def no_room(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "run", no_room)
    assert rig.start() == rig.old
    assert (rig.state.stage, rig.state.reason, rig.state.rejected) == (ROLLED_BACK, "no_child", ())
    assert begin_boot(rig.state) == rig.state
