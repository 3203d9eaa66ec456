"""Rows 46 to 60 of the table of attacks: on the repository, each from scratch, over HTTP or on a stick.

Each is refused with a named reason, which is noted; slots, floors and keys stay as they were, byte for byte. The honest
repository before it was accepted, and where it says so, the honest one after it is.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent import update_fetch
from edge_agent.update_disk import read_update_state
from tests.security.tuf_repository import FLEET, NOW, NOW_S, ROLE, Manners, keys_of, sealed, serve
from tests.security.update_rig import Rig, make_rig

DAY_S = 86_400


@pytest.fixture
def rig(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """An agent that runs the first release, by its repository; the second one is offered and not taken yet."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, update={"deadline_s": 30.0})
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    rig.prove()
    rig.maker.offer(releases[1].path, sequence=2)
    return rig


def bundle_file(rig: Rig, sequence: int) -> Path:
    """Where the repository has the bundle of a sequence."""
    (digest,) = [
        target.hashes["sha256"]
        for target in rig.maker.signed[ROLE].targets.values()
        if target.unrecognized_fields["custom"]["enginear"]["sequence"] == sequence
    ]
    return rig.maker.folder / "targets" / "bundles" / FLEET / f"{digest}.{digest}.bundle"


def accepts(rig: Rig, sequence: int, source: Path | str = "", *, now_s: float = NOW_S) -> None:
    """An update that is taken."""
    rig.update(source, now_s=now_s)
    assert rig.slots.active.sequence == sequence


def test_46_rollback(rig: Rig, tmp_path: Path) -> None:
    """An old copy of the repository, valid as it was."""
    old = rig.maker.copy_to(tmp_path / "old")
    rig.maker.publish()
    accepts(rig, 2)
    assert "this repository is an old copy" in rig.refuses("rollback", old)
    accepts(rig, 2)


@pytest.mark.parametrize("role", ["snapshot", "targets", ROLE])
def test_46_rollback_of_a_role(rig: Rig, role: str) -> None:
    """Whoever has the keys of timestamp and snapshot cannot bring an older version of any role."""
    set_back = rig.maker.remember()
    rig.maker.publish()
    accepts(rig, 2)
    newer = rig.maker.signed["timestamp"].version
    set_back()
    rig.maker.signed["timestamp"].version = newer
    rig.maker.signed[role].version -= 1
    rig.maker.publish()
    assert role in rig.refuses("rollback")


def test_47_freeze(rig: Rig) -> None:
    """What was valid once is served for ever."""
    rig.maker.publish()
    rig.refuses("expired", now_s=NOW_S + 31 * DAY_S)
    accepts(rig, 2, now_s=NOW_S + 29 * DAY_S)


@pytest.mark.parametrize("name", ["targets", "snapshot", ROLE])
def test_48_mix_and_match(rig: Rig, name: str) -> None:
    """Metadata of an older state under a newer name, each of them genuine."""
    rig.maker.publish()
    folder = rig.maker.folder / "metadata"
    version = rig.maker.signed[name].version
    shutil.copy(folder / f"{version - 1}.{name}.json", folder / f"{version}.{name}.json")
    rig.refuses("mix_and_match")


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json", "root.json", "/targets/"])
def test_49_endless_data(rig: Rig, name: str) -> None:
    """A server that goes on for ever, with any of the files."""
    rig.maker.publish()
    with serve(rig.maker.folder, Manners(endless=name)) as url:
        rig.refuses("too_long", url, seen=name == "/targets/")


@pytest.mark.parametrize("name", ["timestamp.json", "targets.json", "/targets/"])
def test_50_truncation(rig: Rig, name: str) -> None:
    """A server that sends half of a file; the whole one is taken afterwards."""
    rig.maker.publish()
    with serve(rig.maker.folder, manners := Manners(short=name)) as url:
        rig.refuses("cut_short", url, seen=name == "/targets/")
        manners.short = ""
        accepts(rig, 2, url)


def test_50_truncation_on_a_stick(rig: Rig) -> None:
    """Half of a bundle; nobody says that it is half."""
    rig.maker.publish()
    os.truncate(bundle_file(rig, 2), 1_000)
    rig.refuses("hash_mismatch", seen=True)


@pytest.mark.parametrize("manners", [Manners(drips=True), Manners(drips_header=True)], ids=["body", "header"])
def test_51_slow_drip(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch, manners: Manners) -> None:
    """A byte at a time, each in time: one deadline ends it all."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, update={"deadline_s": 0.5})
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    with serve(rig.maker.folder, manners) as url:
        rig.refuses("deadline", url, seen=True)


@pytest.mark.parametrize("name", ["targets", "snapshot", "timestamp", "bundles"])
def test_52_under_threshold(rig: Rig, name: str) -> None:
    """One of two targets keys, or keys that are none of this repository's."""
    few = rig.maker.signers["targets"][:1] if name == "targets" else keys_of(900, 2)
    rig.maker.publish(**{name: few})
    rig.refuses("under_threshold")


def test_52_one_key_twice(rig: Rig) -> None:
    """One key does not count twice."""
    (key, *_) = rig.maker.signers["targets"]
    rig.maker.publish(targets=(key, key))
    rig.refuses("under_threshold")


@pytest.mark.parametrize("path", ["bundles/other/{}.bundle", "keys/{}.pem", "bundles/test/deeper/{}.bundle"])
def test_53_delegate_outside_its_path(rig: Rig, path: str) -> None:
    """An engineer of one fleet lists what is not delegated to him."""
    (target,) = [each for each in rig.maker.signed[ROLE].targets.values() if bundle_file(rig, 2).name[:64] in each.path]
    rig.maker.signed[ROLE].targets[path.format("a" * 64)] = target
    rig.maker.publish()
    rig.refuses("outside_path")


def test_54_root_under_signed(rig: Rig) -> None:
    """A root that one holder has signed gives the thief nothing."""
    rig.maker.signed["root"].version += 1
    rig.maker.write_root(rig.maker.signers["root"][0])
    rig.maker.publish()
    rig.refuses("under_threshold")


def test_54_root_by_new_keys_alone(rig: Rig) -> None:
    """A root that is signed by its own keys, and not by those of the one before."""
    thieves = keys_of(900, 3)
    rig.maker.rotate("root", thieves)
    rig.maker.write_root(*thieves)
    rig.maker.publish()
    rig.refuses("under_threshold")


def test_55_root_version_gap(rig: Rig) -> None:
    """The third root in place of the second."""
    rig.maker.signed["root"].version += 2
    rig.maker.write_root()
    folder = rig.maker.folder / "metadata"
    (folder / "3.root.json").rename(folder / "2.root.json")
    rig.maker.publish()
    rig.refuses("root_version_gap")


def test_56_stolen_timestamp_key_rotated(rig: Rig, releases: Any) -> None:
    """The thief signed version 2^31 in 2030; the root takes his key away, and all goes on from where it was."""
    honest = rig.maker.signed["timestamp"].version
    rig.maker.signed["timestamp"].version = 2**31
    rig.maker.signed["timestamp"].expires = NOW + timedelta(days=10_000)
    rig.maker.publish(signed_at=NOW + timedelta(days=1_000))
    accepts(rig, 2)
    # The thief makes it a thousand days later than it is: at worst all is refused until his key is taken away.
    rig.maker.offer(releases[2].path, sequence=3)
    rig.maker.signed["snapshot"].expires = NOW + timedelta(days=500)
    rig.maker.signed["timestamp"].version += 1
    rig.maker.publish()
    rig.refuses("expired")
    (stolen,) = rig.maker.signers["timestamp"]
    rig.maker.rotate("timestamp", keys_of(450, 1))
    rig.maker.signed["timestamp"].version = honest
    rig.maker.signed["timestamp"].expires = NOW + timedelta(days=30)
    rig.maker.publish()
    accepts(rig, 3)
    rig.maker.signed["timestamp"].version += 1
    rig.maker.publish(timestamp=(stolen,))
    rig.refuses("under_threshold")


def wiped_file(folder: Path) -> None:
    """One of the two files is gone."""
    (folder / "state.0").unlink()


def emptied_file(folder: Path) -> None:
    """One of the two files has no content, as after a power cut without fsync."""
    (folder / "state.1").write_bytes(b"")


@pytest.mark.parametrize("wipe", [wiped_file, emptied_file])
def test_57_wiped_cache_and_old_repository(rig: Rig, tmp_path: Path, wipe: Callable[[Path], None]) -> None:
    """The client's own files are thrown away each time; our floors hold with one file of two."""
    old = rig.maker.copy_to(tmp_path / "old")
    rig.maker.publish()
    accepts(rig, 2)
    rig.maker.publish()
    rig.update()
    wipe(rig.state_dir / "update")
    rig.refuses("rollback", old)


def test_57_all_state_damaged(rig: Rig, tmp_path: Path) -> None:
    """Nobody knows what was seen: nothing is taken."""
    old = rig.maker.copy_to(tmp_path / "old")
    for name in ("state.0", "state.1"):
        (rig.state_dir / "update" / name).write_bytes(b"")
    rig.refuses("state_corrupt", old)


def test_57_all_state_gone(rig: Rig, tmp_path: Path) -> None:
    """With the folder gone, the mark of the slots still keeps an old bundle out."""
    old = rig.maker.copy_to(tmp_path / "old")
    rig.maker.publish()
    accepts(rig, 2)
    rig.prove()
    shutil.rmtree(rig.state_dir / "update")
    before = rig.slots
    rig.update(old)
    assert rig.slots == before


def test_58_clock_1970(rig: Rig) -> None:
    """A clock that is behind does not make valid what had ended before something was signed that the agent saw."""
    rig.maker.publish(signed_at=NOW + timedelta(days=20))
    accepts(rig, 2, now_s=0.0)
    rig.maker.signed["timestamp"].expires = NOW + timedelta(days=10)
    rig.maker.publish()
    rig.refuses("expired", now_s=0.0)


def test_58_clock_1970_on_the_first_day(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what had ended before there was any agent."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch)
    rig.maker.signed["timestamp"].expires = NOW.replace(year=2025)
    rig.maker.publish()
    rig.refuses("expired", now_s=0.0, seen=True)


def test_59_clock_2040(rig: Rig) -> None:
    """A clock that is ahead refuses all, and leaves no trace: set right, it takes what is offered."""
    rig.maker.publish()
    rig.refuses("expired", now_s=NOW.replace(year=2040).timestamp())
    accepts(rig, 2)


def test_60_stick_pulled_while_it_was_written(rig: Rig) -> None:
    """Metadata is there, the bundle is not."""
    rig.maker.publish()
    bundle_file(rig, 2).unlink()
    rig.refuses("missing", seen=True)


def test_60_no_stick(rig: Rig, tmp_path: Path) -> None:
    """The folder is not there at all."""
    rig.refuses("missing", tmp_path / "stick")


def test_60_stick_pulled_while_it_is_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives an error in the middle of a bundle; with the stick back, it is taken."""
    rig.maker.publish()
    opened = update_fetch._open_file

    class Pulled(io.BufferedReader):
        """Ends with EIO after a few reads."""

        def read1(self, size: int = -1, /) -> bytes:
            del size
            if self.tell() > 10_000:
                raise OSError(5, "Input/output error")
            return super().read1(4_096)

    def pulled(path: Path) -> io.BufferedReader:
        return Pulled(io.FileIO(path)) if path.suffix == ".bundle" else opened(path)

    with monkeypatch.context() as patch:
        patch.setattr(update_fetch, "_open_file", pulled)
        assert "Input/output error" in rig.refuses("unreachable", seen=True)
    accepts(rig, 2)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/hosts")])
def test_60_stick_of_other_kinds_of_files(rig: Rig, make: Callable[[Path], None]) -> None:
    """A pipe that would hang, a folder, a link into the machine."""
    rig.maker.publish()
    path = rig.maker.folder / "metadata" / "timestamp.json"
    path.unlink()
    make(path)
    rig.refuses("unreachable")


def test_floors_are_on_disk_before_anything_is_taken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut in the middle of an install does not make the agent forget what it saw."""
    rig.maker.publish()
    monkeypatch.setattr("edge_agent.update_run.Update._take", lambda *_: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        rig.update()
    seen = {floor.role: floor.version for floor in read_update_state(rig.state_dir).roles}
    assert seen == {name: rig.maker.signed[name].version for name in ("timestamp", "snapshot", "targets", ROLE)}


def test_another_root_chain_is_refused(rig: Rig) -> None:
    """Old root keys, rotated out after a theft, can still sign a second root of their own: not after the first one."""
    metadata = rig.maker.folder / "metadata"
    thieves = rig.maker.signers["root"]
    forged = rig.maker.signed["root"]
    rig.maker.rotate("root", keys_of(150, 3))
    rig.maker.publish()
    accepts(rig, 2)
    forged.unrecognized_fields["x-other"] = 1
    forged.roles["root"].keyids = []
    for each in thieves:
        forged.add_key(each.public_key, "root")
    (metadata / "2.root.json").write_bytes(sealed(forged, thieves))
    rig.refuses("root_forked")
