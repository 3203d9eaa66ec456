"""The crash rows of the red-team table, by number and name: 63 to 66 and 68, each with the active bundle as it was.

61 and 67 (power cuts) and 69 (a failed fsync, whose line is looked for here) are in test_slots_simulated_cuts.py and
test_slots_power_cut.py, 62 (kills) in test_slots_kills.py; what the log must tell after each is in audit_after.py.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from edge_agent import slots
from edge_agent.audit_check import check_log
from edge_agent.cli import main
from edge_agent.errors import SlotRefused
from edge_agent.exit_code import ExitCode
from edge_agent.slots_disk import STATE_FILES
from edge_agent.slots_state import GOOD, ROLLED_BACK, TRIAL
from tests.faults import bad_block
from tests.faults.audit_after import events
from tests.faults.call_recorder import tree_in
from tests.faults.slot_rig import BOOTS, Rig
from tests.faults.small_disk import Disk, disk  # noqa: F401 - a fixture


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


def noted(rig: Rig) -> set[tuple[str, str]]:
    """Kinds and reasons of the audit log, which is whole."""
    check = check_log(rig.folder.parent)
    assert check.is_whole, check.faults
    return set(events(rig.folder.parent))


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
    # What was refused for want of room had no room to be noted either; what was decided is.
    assert {("installed", ""), ("activated", ""), ("probation_began", "")} <= noted(rig)


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


@pytest.mark.parametrize("newest", [True, False])
def test_row_64_one_state_copy_unreadable(
    rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, newest: bool
) -> None:
    """64, by a bad block: as damaged bytes."""
    good = rig.state
    name = STATE_FILES[(good.generation + (not newest)) % 2]
    bad_block.under(rig.folder / name, monkeypatch)
    assert (rig.state == good) != newest
    assert name in doctor(rig, capsys)["slots"]["text"]
    assert rig.start() == rig.old
    rig.ledger.change(lambda state: dataclasses.replace(state, reason="a change"))
    assert "damaged" not in doctor(rig, capsys)["slots"]["text"]


def test_row_65_both_state_copies_unreadable(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """65, by bad blocks: as damaged bytes."""
    with monkeypatch.context() as patch:
        for name in STATE_FILES:
            bad_block.under(rig.folder / name, patch)
        with pytest.raises(SlotRefused, match="whole state file"):
            rig.start()
    assert rig.start() == rig.old


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
    assert ("refused", "state_corrupt") in noted(rig)


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
    assert {("rolled_back", "boots_used_up"), ("refused", "rejected_digest")} <= noted(rig)


@pytest.mark.timeout(1800)
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
        assert {("refused", rig.state.reason), ("rolled_back", rig.state.reason)} <= noted(rig)
    assert rig.install(releases[1].path) == new
    rig.activate(new)
    assert (rig.start(), rig.state.previous.digest) == (new, rig.old)


def test_row_69_failed_sync_is_noted(rig: Rig, releases: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """69: the refusal of what could not be synced is a line of the log, and the bundle that was active runs on."""
    plain = os.fsync
    slot = str(rig.folder / f".{hashlib.sha256(releases[1].path.read_bytes()).hexdigest()}.bundle")

    def fail(descriptor: int) -> None:
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith(slot):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        plain(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "prove_in_child", lambda *_, **__: None)
        patch.setattr(os, "fsync", fail)
        assert bundle(rig, capsys, "install", releases[1].path) == (ExitCode.BUNDLE_REFUSED, "disk_error")
    assert ("refused", "disk_error") in noted(rig)
    assert rig.start() == rig.old
