"""The slots on disk, by the command that people use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent import slots_disk
from edge_agent.cli import main
from edge_agent.errors import SlotRefused
from edge_agent.exit_code import ExitCode
from edge_agent.slots_disk import STATE_FILES, encode_state, locked, make_folder, read_state, write_state
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import Slot, SlotsState, activate, give_up, loaded, mark_good, raise_epoch

Bundle = Callable[..., tuple[int, dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("proved_here")


@pytest.fixture
def config_file(tmp_path: Path, releases: Any) -> Path:
    """An agent.toml of an agent with slots."""
    path = tmp_path / "agent.toml"
    path.write_text(
        "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\n"
    )
    return path


@pytest.fixture
def bundle(config_file: Path, capsys: pytest.CaptureFixture[str]) -> Bundle:
    """Runs ``edge-agent bundle``; gives its exit code and its JSON."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        code = main(["bundle", *map(str, arguments), "--config", str(config_file), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def folder(config_file: Path) -> Path:
    """Where the slots lie."""
    return config_file.parent / "state" / "bundles"


def prove(folder: Path) -> None:
    """Let the active bundle pass its probation."""
    ledger = SlotLedger(folder.parent)
    digest = ledger.state().active.digest
    ledger.change(lambda state: mark_good(loaded(state, digest), digest))


def refused(outcome: tuple[int, dict[str, Any]], reason: str) -> None:
    """The command was refused for that reason, and says what to do."""
    code, document = outcome
    assert (code, document["exit_code"]) == (ExitCode.BUNDLE_REFUSED, ExitCode.BUNDLE_REFUSED)
    assert document["error"].startswith(f"{reason}: ")
    assert "; " in document["error"]


def test_from_nothing_to_the_second_release(bundle: Bundle, releases: Any, folder: Path) -> None:
    """Install, activate, prove, update, return, and what each command says of it."""
    assert bundle("status")[1]["stage"] == "empty"
    assert bundle("list") == (0, {"slots": []})
    assert not folder.exists()
    code, first = bundle("install", releases[0].path)
    assert (code, first["bundle_id"], first["sequence"]) == (ExitCode.OK, "small/1.0.0", 1)
    assert (folder / f"{first['digest']}.bundle").read_bytes() == releases[0].path.read_bytes()
    assert bundle("status")[1]["stage"] == "empty"
    assert bundle("activate", first["digest"][:8])[1]["stage"] == "trial"
    prove(folder)
    second = bundle("install", releases[1].path)[1]
    assert bundle("status")[1]["active"]["digest"] == first["digest"]
    state = bundle("activate", second["digest"])[1]
    assert (state["stage"], state["active"]["sequence"], state["previous"]["sequence"]) == ("trial", 2, 1)
    roles = {row["digest"]: (row["role"], row["refused"]) for row in bundle("list")[1]["slots"]}
    assert roles == {first["digest"]: ("previous", ""), second["digest"]: ("active", "")}
    state = bundle("rollback")[1]
    assert (state["stage"], state["active"]["sequence"], state["reason"]) == ("rolled_back", 1, "by_hand")


def test_for_people(config_file: Path, releases: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as text."""
    common = ["--config", str(config_file)]
    assert main(["bundle", "install", str(releases[0].path), *common]) == ExitCode.OK
    digest = capsys.readouterr().out.split()[-1]
    assert main(["bundle", "activate", digest, *common]) == ExitCode.OK
    assert "active     small/1.0.0, epoch 0, sequence 1, " in capsys.readouterr().out
    assert main(["bundle", "list", *common]) == ExitCode.OK
    assert capsys.readouterr().out.split()[1:] == ["small/1.0.0", "active", "verified"]


def test_old_bundle_is_refused(bundle: Bundle, releases: Any, folder: Path) -> None:
    """39: once the second is proven, the first is neither installed nor activated; the state stays."""
    first = bundle("install", releases[0].path)[1]["digest"]
    second = bundle("install", releases[1].path)[1]["digest"]
    assert [row["digest"] for row in bundle("list")[1]["slots"]] == [second]
    bundle("activate", second)
    bundle("install", releases[0].path)
    prove(folder)
    before = bundle("status")
    refused(bundle("activate", first), "old_sequence")
    (folder / f"{first}.bundle").unlink()
    refused(bundle("install", releases[0].path), "old_sequence")
    assert bundle("status") == before
    assert not (folder / f"{first}.bundle").exists()


def test_failed_bundle_is_refused(bundle: Bundle, releases: Any, folder: Path) -> None:
    """45: a digest that failed here is not taken again."""
    bundle("activate", bundle("install", releases[0].path)[1]["digest"])
    prove(folder)
    digest = bundle("install", releases[1].path)[1]["digest"]
    bundle("activate", digest)
    SlotLedger(folder.parent).change(lambda state: give_up(state, "golden_scores", reject=True))
    refused(bundle("install", releases[1].path), "rejected_digest")
    refused(bundle("activate", digest), "rejected_digest")
    assert bundle("status")[1]["rejected"] == [{"digest": digest, "reason": "golden_scores"}]
    assert bundle("install", releases[2].path)[0] == ExitCode.OK


def test_epoch_that_is_not_open_yet(bundle: Bundle, releases: Any, folder: Path, later_epoch: Any) -> None:
    """44: with a stolen signing key no epoch begins; once the root has opened it, any sequence of it will do."""
    bundle("activate", bundle("install", releases[2].path)[1]["digest"])
    prove(folder)
    before = bundle("status")
    refused(bundle("install", later_epoch.path), "epoch_ahead")
    assert (bundle("status"), len(list(folder.glob("*.bundle")))) == (before, 1)
    SlotLedger(folder.parent).change(lambda state: raise_epoch(state, 1))
    state = bundle("activate", bundle("install", later_epoch.path)[1]["digest"])[1]
    assert (state["active"]["epoch"], state["epoch"], state["mark_epoch"], state["mark"]) == (1, 1, 0, 3)
    prove(folder)
    assert SlotLedger(folder.parent).state().mark_rank == (1, 0)
    assert bundle("rollback")[1]["active"]["sequence"] == 3


def spoil_content(path: Path) -> None:
    """One bit of the model."""
    data = bytearray(path.read_bytes())
    data[data.index(b"z_score")] ^= 1
    path.write_bytes(data)


def make_symlink(path: Path) -> None:
    """19: a link to a copy elsewhere."""
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def make_hard_link(path: Path) -> None:
    """20: a second name of the file."""
    os.link(path, path.parent.parent / "elsewhere")


def make_fifo(path: Path) -> None:
    """21: a FIFO."""
    path.unlink()
    os.mkfifo(path)


def make_other(path: Path) -> None:
    """Another genuine bundle under this name."""
    [other] = [each for each in path.parent.glob("*.bundle") if each != path]
    shutil.copy(other, path)


SPOILS = [
    (spoil_content, "digest_mismatch"),
    (make_symlink, "unreadable"),
    (make_hard_link, "not_a_file"),
    (make_fifo, "not_a_file"),
    (make_other, "slot_damaged"),
]


@pytest.mark.parametrize(("spoil", "reason"), SPOILS, ids=[row[0].__name__ for row in SPOILS])
def test_spoilt_slot(bundle: Bundle, releases: Any, folder: Path, spoil: Callable[[Path], None], reason: str) -> None:
    """What became of a slot since is seen: it is not activated, and told; installing it again mends it."""
    bundle("activate", bundle("install", releases[0].path)[1]["digest"])
    digest = bundle("install", releases[1].path)[1]["digest"]
    before = bundle("status")
    spoil(folder / f"{digest}.bundle")
    refused(bundle("activate", digest), reason)
    assert {row["digest"]: row["refused"] for row in bundle("list")[1]["slots"]}[digest] == reason
    assert bundle("status") == before
    bundle("install", releases[1].path)
    assert bundle("activate", digest)[0] == ExitCode.OK


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "*", "", "g" * 64, "0" * 7, "0" * 65, "state.0"])
def test_name_that_is_no_digest(bundle: Bundle, releases: Any, name: str) -> None:
    """17, 18: what is activated is one of the slots that are there, and nothing else."""
    bundle("install", releases[0].path)
    refused(bundle("activate", name), "no_such_slot")


def test_links_in_the_way_are_not_written_through(bundle: Bundle, releases: Any, folder: Path, tmp_path: Path) -> None:
    """A link where a file is to be written is replaced, and what it points to stays."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    digest = bundle("install", releases[0].path)[1]["digest"]
    for name in (f".{digest}.bundle.new", ".state.1.new", "state.1"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(victim)
    assert bundle("install", releases[0].path)[0] == ExitCode.BUNDLE_REFUSED
    (folder / "state.1").unlink()
    assert bundle("install", releases[0].path)[0] == ExitCode.OK
    assert bundle("activate", digest)[0] == ExitCode.OK
    assert victim.read_text() == "mine"
    assert not list(folder.glob(".*"))


def test_folder_that_is_a_link(bundle: Bundle, releases: Any, folder: Path, tmp_path: Path) -> None:
    """The slots lie in the state folder and nowhere else."""
    folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    refused(bundle("install", releases[0].path), "disk_error")
    assert not list((tmp_path / "elsewhere").iterdir())


def states(folder: Path) -> list[SlotsState]:
    """Two generations, both on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    slot = Slot("a" * 64, "d/1.0.0", 1)
    first = activate(SlotsState(generation=1), slot, boots=3)
    second = SlotsState.from_document({**first.document(), "generation": 2, "boots_left": 2, "rejected": []})
    write_state(folder, first)
    write_state(folder, second)
    return [first, second]


def test_every_byte_of_a_state_file(tmp_path: Path) -> None:
    """64: whatever one byte becomes, and wherever the file ends, the other generation counts."""
    first, second = states(tmp_path)
    newest = tmp_path / STATE_FILES[second.generation % 2]
    whole = newest.read_bytes()
    assert read_state(tmp_path) == second
    for at in range(len(whole)):
        for spoilt in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            newest.write_bytes(spoilt)
            assert read_state(tmp_path) == first, at
    newest.unlink()
    assert read_state(tmp_path) == first


def test_both_state_files_corrupt(bundle: Bundle, releases: Any, folder: Path) -> None:
    """65: nothing is installed, nothing assumed."""
    states(folder)
    for name in STATE_FILES:
        (folder / name).write_bytes(b"")
    for command in (("status",), ("install", releases[0].path), ("rollback",)):
        refused(bundle(*command), "state_corrupt")
    assert not list(folder.glob("*.bundle"))


def test_copied_state_file_does_not_count(tmp_path: Path) -> None:
    """An older generation that is put in the other one's place is seen by its number."""
    first, _second = states(tmp_path)
    (tmp_path / "state.0").write_bytes(encode_state(first))
    assert read_state(tmp_path) == first
    (tmp_path / "state.1").unlink()
    with pytest.raises(SlotRefused, match="whole state file"):
        read_state(tmp_path)


def test_full_disk(bundle: Bundle, releases: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """63, 69: a disk that is full or fails to sync refuses the install; nothing half-written stays."""
    bundle("activate", bundle("install", releases[0].path)[1]["digest"])
    before = bundle("status"), sorted(folder.iterdir())
    for name, number, reason in (("write", errno.ENOSPC, "disk_full"), ("fsync", errno.EIO, "disk_error")):
        with monkeypatch.context() as patch:
            patch.setattr(slots_disk.os, name, failing(number))
            refused(bundle("install", releases[1].path), reason)
        assert (bundle("status"), sorted(folder.iterdir())) == before


def failing(number: int) -> Callable[..., int]:
    """A system call that fails."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


def test_two_at_once(bundle: Bundle, releases: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits for the other, and says so where it takes too long."""
    bundle("install", releases[0].path)
    monkeypatch.setattr(slots_disk, "LOCK_TIMEOUT_S", 0.05)
    with locked(folder):
        refused(bundle("install", releases[1].path), "busy")


def test_installs_side_by_side(config_file: Path, releases: Any, bundle: Bundle) -> None:
    """Processes that install and activate at the same time leave one whole state."""
    command = [sys.executable, "-m", "edge_agent", "bundle", "install", "--config", str(config_file)]
    processes = [subprocess.Popen([*command, str(release.path)]) for release in releases]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    [row] = bundle("list")[1]["slots"]
    assert row["refused"] == ""
    assert bundle("activate", row["digest"])[1]["generation"] == 1


def test_refused_bundle_is_not_kept(bundle: Bundle, development_bundle: Any, folder: Path) -> None:
    """What the checks refuse never lies in a slot."""
    refused(bundle("install", development_bundle.path), "development_not_allowed")
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_that_a_kill_left_to_root(tmp_path: Path) -> None:
    """Root's command died between making it and giving it to the agent, which could count no trial ever after."""
    os.chown(tmp_path, 12_345, 23_456)
    folder = tmp_path / "bundles"
    folder.mkdir()
    make_folder(folder)
    facts = folder.stat()
    assert (facts.st_uid, facts.st_gid) == (12_345, 23_456)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_others_is_not_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's user, whose the state folder is, lays a link in its place as soon as root has made it."""
    state, secret = tmp_path / "state", tmp_path / "secret"
    state.mkdir()
    secret.mkdir()
    os.chown(state, 12_345, 23_456)
    monkeypatch.setattr(Path, "mkdir", lambda self, **_: self.symlink_to(secret))
    with pytest.raises(OSError):  # noqa: PT011 - whichever call meets the link
        make_folder(state / "bundles")
    assert secret.stat().st_uid == os.getuid()
