"""The crash rows of the red-team table, by number and name: 63 to 66 and 68, each with the active bundle as it was.

61 and 67 (power cuts) and 69 (a failed fsync) are in test_slots_simulated_cuts.py and test_slots_power_cut.py, 62
(kills) in test_slots_kills.py.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto, helper

from edge_agent import slots, slots_boot
from edge_agent.cli import main
from edge_agent.config import AgentConfig, load_config
from edge_agent.exit_code import ExitCode
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE
from edge_agent.layout import MODEL
from edge_agent.slots_disk import STATE_FILES
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import GOOD, ROLLED_BACK, TRIAL, SlotsState, begin_boot, loaded, mark_good
from edge_agent.startup import slots_of_config, start_configured
from edge_agent.trust import TrustedKeys
from ground.pack import pack_bundle
from shared_features.vector import columns_of
from tests.conftest import ROOT, small_members, small_spec, wait_until
from tests.faults.call_recorder import tree_in
from tests.faults.small_disk import Disk, disk  # noqa: F401 - a fixture

BOOTS = 2
KILL = ROOT / "tests" / "faults" / "kill_at.py"


class Rig:
    """A config with slots whose first release is proven; another one is installed, on trial where it is activated."""

    def __init__(self, folder: Path, state_dir: Path, releases: Any) -> None:
        self.path = folder / "agent.toml"
        self.path.write_text(
            f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = '{state_dir}'\n"
            f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\ntrial_boots = {BOOTS}\n"
            "[broker]\nhost = '127.0.0.1'\nport = 9\n"
        )
        self.config: AgentConfig = load_config(self.path)
        self.ledger = SlotLedger(self.config.agent.state_dir)
        self.store = slots_of_config(self.config, TrustedKeys.from_files(self.config.bundle.keys))
        self.old = self.install(releases[0].path)
        self.activate(self.old)
        self.prove()

    @property
    def folder(self) -> Path:
        """Where the slots lie."""
        return self.ledger.folder

    @property
    def state(self) -> SlotsState:
        """The state in force."""
        return self.ledger.state()

    def install(self, path: Path) -> str:
        """Install without the proof in a child; gives the digest."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slots, "prove_in_child", lambda *_, **__: None)
            return self.store.install(path).digest

    def activate(self, digest: str) -> None:
        """Put it on trial."""
        self.store.activate(digest, boots=BOOTS)

    def prove(self) -> None:
        """Let the active bundle pass its probation."""
        digest = self.state.active.digest
        self.ledger.change(lambda state: mark_good(loaded(state, digest), digest))

    def start(self) -> str:
        """Start as `run` does; gives the digest of what was loaded."""
        return start_configured(self.config).bundle_digest

    def run(self, trapped: Path | None = None) -> tuple[int, str]:
        """A real agent, ended in order once it runs, or killed as it opens a file: its exit code and what it said."""
        status = self.config.agent.state_dir / "status.json"
        status.unlink(missing_ok=True)
        trap = (str(KILL), "1", str(trapped)) if trapped else ()
        command = [sys.executable, *trap, "-m", "edge_agent", "run", "--config", str(self.path)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: process.poll() is not None or status.exists(), "the agent to run or to end")
            process.send_signal(signal.SIGTERM)
            return process.wait(30), process.communicate()[1]


@pytest.fixture
def rig(tmp_path: Path, releases: Any) -> Rig:
    """See ``Rig``."""
    return Rig(tmp_path, tmp_path / "state", releases)


def bundle(rig: Rig, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """``edge-agent bundle``: its exit code, and the reason it gives."""
    capsys.readouterr()
    code = main(["bundle", *map(str, arguments), "--config", str(rig.path), "--json"])
    error = json.loads(capsys.readouterr().out).get("error", "")
    assert not error or "; " in error
    return code, error.partition(":")[0]


def doctor(rig: Rig, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the doctor finds, by the name of the check."""
    capsys.readouterr()
    main(["doctor", "--config", str(rig.path), "--json"])
    return {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}


def test_row_63_disk_full(
    disk: Disk,  # noqa: F811 - a fixture
    tmp_path: Path,
    releases: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """63: nothing is half installed or half activated; a trial that cannot be counted is put off."""
    monkeypatch.setattr(slots, "prove_in_child", lambda *_, **__: None)
    rig = Rig(tmp_path, disk.folder, releases)
    new = rig.install(releases[1].path)
    disk.fill()
    before = tree_in(rig.folder)
    assert bundle(rig, capsys, "install", releases[2].path) == (ExitCode.BUNDLE_REFUSED, "disk_full")
    assert bundle(rig, capsys, "activate", new) == (ExitCode.BUNDLE_REFUSED, "disk_full")
    assert (tree_in(rig.folder), rig.state.active.digest, rig.start()) == (before, rig.old, rig.old)
    disk.make_room()
    assert bundle(rig, capsys, "activate", new) == (ExitCode.OK, "")
    disk.fill()
    assert bundle(rig, capsys, "rollback") == (ExitCode.BUNDLE_REFUSED, "disk_full")
    assert (rig.start(), rig.state.stage, rig.state.boots_left) == (rig.old, TRIAL, BOOTS)
    disk.make_room()
    assert rig.start() == new


@pytest.mark.parametrize("newest", [True, False])
def test_row_64_one_state_copy_corrupt(rig: Rig, capsys: pytest.CaptureFixture[str], *, newest: bool) -> None:
    """64: the other copy counts, the proven bundle runs, the doctor tells, and the next change mends it."""
    good = rig.state
    assert good.stage == GOOD
    name = STATE_FILES[(good.generation + (not newest)) % 2]
    data = bytearray((rig.folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (rig.folder / name).write_bytes(data)
    assert (rig.state == good) != newest
    finding = doctor(rig, capsys)["slots"]
    assert (name in finding["text"], finding["level"], "bundle status" in finding["advice"]) == (True, "warn", True)
    assert rig.start() == rig.old
    rig.ledger.change(lambda state: dataclasses.replace(state, reason="a change"))
    assert "damaged" not in doctor(rig, capsys)["slots"]["text"]


def test_row_65_both_state_copies_corrupt(rig: Rig, releases: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """65: nothing is installed, nothing guessed, nothing runs; each says so and what to do, which then helps."""
    for name in STATE_FILES:
        (rig.folder / name).write_bytes(b"rot")
    before = tree_in(rig.folder)
    for arguments in (("install", releases[1].path), ("activate", rig.old), ("rollback",), ("status",), ("list",)):
        assert bundle(rig, capsys, *arguments) == (ExitCode.BUNDLE_REFUSED, "state_corrupt")
    code, said = rig.run()
    assert code == ExitCode.BUNDLE_REFUSED
    assert "state_corrupt: " in said
    assert "remove them, then activate a bundle again" in said
    findings = doctor(rig, capsys)
    for check in ("slots", "bundle"):
        assert findings[check]["level"] == "fail"
        assert "remove bundles/state.0 and bundles/state.1" in findings[check]["advice"]
    assert tree_in(rig.folder) == before
    for name in STATE_FILES:
        (rig.folder / name).unlink()
    assert bundle(rig, capsys, "list") == (ExitCode.OK, "")
    assert bundle(rig, capsys, "activate", rig.old) == (ExitCode.OK, "")
    assert rig.run()[0] == ExitCode.OK


def test_row_66_crash_loop(rig: Rig, releases: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """66: a bundle at which each start dies is left after its boots, and not taken again."""
    new = rig.install(releases[1].path)
    rig.activate(new)
    slot = rig.folder / f"{new}.bundle"
    for left in range(BOOTS - 1, -1, -1):
        assert rig.run(slot)[0] == -signal.SIGKILL
        assert (rig.state.stage, rig.state.boots_left, rig.state.active.digest) == (TRIAL, left, new)
    code, said = rig.run(slot)
    assert (code, "returned to the previous bundle" in said) == (ExitCode.OK, True)
    assert (rig.state.stage, rig.state.reason, rig.state.active.digest) == (ROLLED_BACK, "boots_used_up", rig.old)
    assert bundle(rig, capsys, "activate", new) == (ExitCode.BUNDLE_REFUSED, "rejected_digest")
    assert doctor(rig, capsys)["slots"]["level"] == "warn"


def test_row_68_rot_in_the_active_slot(rig: Rig, releases: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """68: wherever a byte of a proven slot flips, the previous bundle runs in that start; mended, it may come back."""
    new = rig.install(releases[1].path)
    rig.activate(new)
    rig.prove()
    before, slot = tree_in(rig.folder), rig.folder / f"{new}.bundle"
    whole = slot.read_bytes()
    for at in range(0, len(whole), 97 if full else 2_999):
        for name, content in before.items():
            (rig.folder / name).write_bytes(content)
        slot.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert rig.start() == rig.old, at
        assert (rig.state.stage, rig.state.rejected, rig.state.active.digest) == (ROLLED_BACK, (), rig.old)
        assert rig.state.reason
    assert rig.install(releases[1].path) == new
    rig.activate(new)
    assert (rig.start(), rig.state.previous.digest) == (new, rig.old)


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


def test_trial_meets_a_limited_child_first(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """35 at a start: what was installed elsewhere, and eats memory here, is never run in the agent's own process."""
    new = rig.install(hungry_bundle(tmp_path))
    rig.activate(new)
    proven = proven_here(monkeypatch)
    assert rig.start() == rig.old
    assert proven == [rig.old]
    # onnxruntime gives up by itself, or what it stands on is ended.
    assert rig.state.reason in {"model_interface", "model_limits"}
    assert (rig.state.stage, [each.digest for each in rig.state.rejected]) == (ROLLED_BACK, [new])
    assert bundle(rig, capsys, "activate", new) == (ExitCode.BUNDLE_REFUSED, "rejected_digest")


def test_trial_that_takes_too_long(rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 at a start: a child that is not done in time is ended, before systemd loses patience with the agent."""
    new = rig.install(releases[1].path)
    rig.activate(new)
    monkeypatch.setattr(slots, "START_WALL_S", 0.01)
    proven = proven_here(monkeypatch)
    assert (rig.start(), proven) == (rig.old, [rig.old])
    assert (rig.state.stage, rig.state.reason) == (ROLLED_BACK, "model_limits")
    assert [each.digest for each in rig.state.rejected] == [new]


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
