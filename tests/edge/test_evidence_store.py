"""Evidence on disk: whole or not at all, the oldest first, and a disk that refuses hurts nothing."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import EvidenceError, FrameFileError
from edge_agent.evidence import Evidence, evidence_id
from edge_agent.evidence_store import NEWEST, EvidenceStore
from edge_agent.frame_file import read_blocks

KIB = 1024
BLOCK = bytes(10 * KIB)


def described(seq: int) -> Evidence:
    """A description."""
    return Evidence(
        id=f"{seq:016x}", agent="a1", run="r", aircraft="OO-ABC", engine="1", flight="F1", phase="cruise", seq=seq,
        start_ns=0, end_ns=1, score=2.0, threshold=1.0, bundle_id="b/1", bundle_digest="d", first_ns=0, last_ns=1,
        n_frame=1, first_seq=0, reproduces=True,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    """Room for three of the blocks, tidied up."""
    made = EvidenceStore(tmp_path / "evidence", max_bytes=35 * KIB, max_files=10)
    made.tidy()
    return made


def write(store: EvidenceStore, seq: int) -> Evidence:
    """Write one block."""
    return store.write(described(seq), lambda: [BLOCK], n_byte=len(BLOCK) + 4)


def names_of(store: EvidenceStore) -> list[int]:
    """What is there."""
    return [each.evidence.seq for each in store.all()]


def test_there_and_back(store: EvidenceStore, tmp_path: Path) -> None:
    """A snapshot is found by its id and as the newest, with its length and digest; nobody else may read it."""
    written = [write(store, seq) for seq in (1, 2)]
    (first,), (newest,) = store.find(written[0].id), store.find(NEWEST)
    assert (first.evidence, newest.evidence) == (written[0], written[1])
    assert list(read_blocks(first.path)) == [BLOCK]
    assert first.path.stat().st_size == first.evidence.n_byte == len(BLOCK) + 4
    assert store.find("f" * 16) == []
    assert (tmp_path / "evidence").stat().st_mode & 0o007 == 0


def test_oldest_goes_first(store: EvidenceStore) -> None:
    """Beyond the bytes or the files that it may take, the oldest snapshot goes; no clock tells its age."""
    for seq in range(1, 8):
        write(store, seq)
        os.utime(store.find(NEWEST)[0].path, (0, 0))
        assert sum(each.evidence.n_byte for each in store.all()) <= 35 * KIB
    assert names_of(store) == [5, 6, 7]
    few = EvidenceStore(store._folder, max_bytes=10**9, max_files=2)
    write(few, 8)
    assert names_of(few) == [7, 8]
    assert len(list(store._folder.iterdir())) == 4


def test_longer_than_all_may_be(store: EvidenceStore) -> None:
    """It is refused before anything older goes for it."""
    write(store, 1)
    with pytest.raises(EvidenceError, match="raise max_mib"):
        store.write(described(2), lambda: [BLOCK] * 4, n_byte=4 * len(BLOCK))
    assert names_of(store) == [1]


LEFT_OVERS = [
    ("frames without a description", "00000009-0000000000000009.frames"),
    ("a description without frames", "00000009-0000000000000009.json"),
    ("half-written frames", ".00000009-0000000000000009.frames.new"),
    ("a file of somebody else", "core.1234"),
]


@pytest.mark.parametrize("name", [row[1] for row in LEFT_OVERS], ids=[row[0] for row in LEFT_OVERS])
def test_what_a_crash_left_is_tidied(store: EvidenceStore, name: str) -> None:
    """Only whole snapshots are listed, and only they survive the next start."""
    write(store, 1)
    (store._folder / name).write_bytes(b"{}")
    assert names_of(store) == [1]
    store.tidy()
    assert sorted(each.suffix for each in store._folder.iterdir()) == [".frames", ".json"]
    write(store, 2)
    assert names_of(store) == [1, 2]


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"schema":2}', b"\xff", b"nan"])
def test_damaged_description(store: EvidenceStore, text: bytes) -> None:
    """A description that is none is as good as missing."""
    write(store, 1)
    store.all()[0].path.with_suffix(".json").write_bytes(text)
    assert store.all() == []


@pytest.fixture
def bad_block(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three snapshots; the disk does not give the description of the second, which this names."""
    for seq in (1, 2, 3):
        write(store, seq)
    bad = store.all()[1].path.with_suffix(".json")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    return bad


def test_bad_block_hides_no_other_snapshot(store: EvidenceStore, bad_block: Path) -> None:
    """The others are found, new ones are written, the old ones go; it is told once."""
    told: list[OSError] = []
    again = EvidenceStore(store._folder, max_bytes=35 * KIB, max_files=10, on_unreadable=told.append)
    assert names_of(again) == [1, 3]
    assert [each.evidence.seq for each in again.find(NEWEST)] == [3]
    for seq in (4, 5):
        write(again, seq)
    assert names_of(again) == [3, 4, 5]
    assert [error.filename for error in told] == [str(bad_block)]


def test_what_the_disk_does_not_give_stays_at_a_start(store: EvidenceStore, bad_block: Path) -> None:
    """It may be a lack of descriptors that passes, or an owner that somebody sets right: the frames are whole."""
    store.tidy()
    assert bad_block.exists()
    assert bad_block.with_suffix(".frames").exists()


def test_bad_block_counts_and_goes_by_its_age(store: EvidenceStore, bad_block: Path) -> None:
    """It takes room as the others do, in bytes and in number, and makes room when it is the oldest."""
    few = EvidenceStore(store._folder, max_bytes=10**9, max_files=3)
    write(few, 4)
    assert (names_of(few), bad_block.exists()) == ([3, 4], True)
    write(store, 5)
    assert (names_of(store), bad_block.exists()) == ([3, 4, 5], False)
    assert len(list(store._folder.iterdir())) == 6


def keep_files(monkeypatch: pytest.MonkeyPatch, *kept: Path) -> None:
    """A disk that does not let go of some files."""
    unlink = Path.unlink

    def refuse(path: Path, **options: bool) -> None:
        if path in kept:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)


def test_bad_block_that_cannot_be_removed(
    store: EvidenceStore, bad_block: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames go all the same: a description alone is a left-over."""
    keep_files(monkeypatch, bad_block)
    few = EvidenceStore(store._folder, max_bytes=10**9, max_files=1)
    for seq in (4, 5):
        write(few, seq)
        assert names_of(few) == [seq]
    assert [path.name for path in store._folder.glob("00000002-*")] == [bad_block.name]


def test_bad_blocks_that_cannot_be_removed(
    store: EvidenceStore, bad_block: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the frames stay, too, they keep their room, and the next oldest goes; the fault is told where none does."""
    keep_files(monkeypatch, bad_block, bad_block.with_suffix(".frames"))
    few = EvidenceStore(store._folder, max_bytes=10**9, max_files=2)
    for seq in (4, 5):
        write(few, seq)
        assert names_of(few) == [seq]
    with pytest.raises(OSError, match="00000002"):
        write(EvidenceStore(store._folder, max_bytes=10**9, max_files=1), 6)


def test_full_disk_with_a_bad_block(store: EvidenceStore, bad_block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others fill the disk: what cannot be removed does not keep the others."""
    keep_files(monkeypatch, bad_block, bad_block.with_suffix(".frames"))
    roomy = EvidenceStore(store._folder, max_bytes=10**9, max_files=10)
    write_whole = roomy._write

    def fill(path: Path, evidence: Evidence, blocks: Any) -> Evidence:
        if len(list(store._folder.glob("*.frames"))) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_whole(path, evidence, blocks)

    monkeypatch.setattr(roomy, "_write", fill)
    write(roomy, 4)
    assert names_of(roomy) == [4]
    assert bad_block.exists()


def test_numbers_go_on_after_a_bad_block(store: EvidenceStore, bad_block: Path) -> None:
    """Also where it is the newest: two of one number would not tell their age."""
    for path in store._folder.glob("00000003-*"):
        path.unlink()
    write(store, 4)
    assert sorted(path.name[:8] for path in store._folder.glob("*.frames")) == ["00000001", "00000002", "00000003"]
    assert bad_block.exists()


def test_what_cannot_be_removed_keeps_nothing_else(store: EvidenceStore) -> None:
    """A left-over that stays, here a folder, is told of; the others go nevertheless."""
    write(store, 1)
    (store._folder / "00000000-folder").mkdir()
    for number in range(20):
        (store._folder / f"core.{number}").write_bytes(b"")
    with pytest.raises(OSError, match="00000000-folder"):
        store.tidy()
    assert list(store._folder.glob("core.*")) == []
    assert names_of(store) == [1]


def test_names_are_on_disk_before_it_is_announced(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files are synced, then the folder that names them; at first the folder above, too."""
    synced: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    name = f"00000001-{write(store, 1).id}"
    assert synced == [store._folder.parent.name, f".{name}.frames.new", f".{name}.json.new", "evidence"]


def test_names_that_are_not_kept(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk refuses the folder's sync, nothing is left that was not announced."""
    write(store, 1)

    def refuse(_folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("edge_agent.evidence_store.sync_folder", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write(store, 2)
    assert names_of(store) == [1]
    assert len(list(store._folder.iterdir())) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 100 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk: Path) -> None:
    """Where others fill the disk, our oldest goes for our newest; where nothing of ours is left, it is said."""
    store = EvidenceStore(small_disk / "evidence", max_bytes=10**6, max_files=10)
    store.tidy()
    for seq in (1, 2, 3):
        write(store, seq)
    (small_disk / "other").write_bytes(bytes(48 * KIB))
    write(store, 4)
    assert names_of(store)[-1] == 4
    assert 1 not in names_of(store)
    for stored in store.all():
        store._remove(stored.path)
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "more").write_bytes(bytes(100 * KIB))
    with pytest.raises(FrameFileError, match="No space left") as caught:
        write(store, 5)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert [each for each in store._folder.iterdir() if each.is_file()] == []


def test_read_only_disk(small_disk: Path) -> None:
    """A disk that may not be written refuses; what is on it can still be read."""
    store = EvidenceStore(small_disk / "evidence", max_bytes=10**6, max_files=10)
    store.tidy()
    write(store, 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises((OSError, FrameFileError)):
        write(store, 2)
    assert names_of(store) == [1]


def test_id_follows_from_the_alert() -> None:
    """Who holds an alert can reckon the name of its evidence; any other alert has another one."""
    alert: Any = described(7)
    name = evidence_id("r", alert)
    # printf 'r\nOO-ABC\n1\nF1\n7' | sha256sum
    assert name == EXPECTED_ID
    others = [replace(alert, **{field: "x"}) for field in ("aircraft", "engine", "flight")]
    assert len({name, evidence_id("s", alert), *(evidence_id("r", each) for each in others)}) == 5


EXPECTED_ID = "e3eb181897e1dd72"
