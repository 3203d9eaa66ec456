"""The audit log on a real disk: what is written, what a power cut leaves, how it makes room."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge_agent import audit, audit_files
from edge_agent.audit import FAULTS, NOT_NOTED, AuditLog
from edge_agent.audit_check import check_log
from edge_agent.audit_files import AUDIT_FILE, LOCK_FILE, parts
from edge_agent.audit_record import FIRST, AuditLine, hash_of
from edge_agent.folder_lock import FolderLock
from edge_agent.slots_state import Slot, SlotsState, activate, give_up, loaded, mark_good
from edge_agent.trust_event import (
    ACTIVATED,
    EXPIRED,
    KEYS_CHANGED,
    LOG_DAMAGED,
    LOG_TORN,
    LOG_TRIMMED,
    MARKED_GOOD,
    REFUSED,
    ROLLED_BACK,
    STATE_SET_BACK,
    TrustEvent,
)

EVENT = TrustEvent(kind=REFUSED, digest="d" * 64, bundle_id="small/1.0.0", reason="expired", detail="it has")
OLD, NEW = Slot("a" * 64, "small/1.0.0", 1), Slot("b" * 64, "small/2.0.0", 2)


def lines(folder: Path) -> list[AuditLine]:
    """All lines of a log."""
    return [AuditLine.from_bytes(data) for path in parts(folder) for data in path.read_bytes().splitlines()]


def kinds(folder: Path) -> list[str]:
    """Kinds of all lines of a log."""
    return [line.event.kind for line in lines(folder)]


def not_noted() -> int:
    """Decisions that were not noted by this process."""
    return FAULTS.snapshot().get(NOT_NOTED, 0)


def test_lines_are_chained(tmp_path: Path) -> None:
    """Numbers grow by one, each line names the hash of the one before, the first one nothing."""
    log = AuditLog(tmp_path / "state")
    log.note(EVENT)
    log.note(EVENT, EVENT)
    raw = (tmp_path / "state" / AUDIT_FILE).read_bytes().splitlines()
    found = lines(tmp_path / "state")
    assert [line.seq for line in found] == [0, 1, 2]
    assert [line.before for line in found] == [FIRST, *map(hash_of, raw[:-1])]
    assert found[0].event == EVENT
    assert found[0].clock in {"synchronised", "unsynchronised", "unknown"}
    assert check_log(tmp_path / "state").is_whole


DIRTY: list[tuple[str, str]] = [
    ("\x1b[2Jgone", "?[2Jgone"),
    ("line\nbreak\r", "line?break?"),
    ("lone \ud800 surrogate", "lone ? surrogate"),
    ("https://user:secret@host/x", "https://***@host/x"),
    ("y" * 10_000, "y" * 500),
]


@pytest.mark.parametrize(("detail", "noted"), DIRTY)
def test_what_is_noted_is_harmless(tmp_path: Path, detail: str, noted: str) -> None:
    """Nothing that a terminal obeys, no login, nothing long."""
    AuditLog(tmp_path).note(TrustEvent(kind=REFUSED, detail=detail))
    assert [line.event.detail for line in lines(tmp_path)] == [noted]


@pytest.mark.parametrize("torn", [b"{", b'{"before":"00', bytes(700), b"\xff" * 40_000])
def test_torn_line(tmp_path: Path, torn: bytes) -> None:
    """What a power cut left of a line is cut off, and the next line says so."""
    log = AuditLog(tmp_path)
    log.note(EVENT)
    with (tmp_path / AUDIT_FILE).open("ab") as stream:
        stream.write(torn)
    assert (check_log(tmp_path).is_whole, check_log(tmp_path).torn_bytes) == (True, len(torn))
    log.note(EVENT)
    assert kinds(tmp_path) == [REFUSED, LOG_TORN, REFUSED]
    assert f"{len(torn)} bytes" in lines(tmp_path)[1].event.detail
    assert check_log(tmp_path).is_whole


def test_first_line_torn(tmp_path: Path) -> None:
    """The log begins with a line that says so."""
    (tmp_path / AUDIT_FILE).write_bytes(b'{"bef')
    AuditLog(tmp_path).note(EVENT)
    assert kinds(tmp_path) == [LOG_TORN, REFUSED]
    assert check_log(tmp_path).is_whole


def test_damaged_end_is_told_and_never_mended(tmp_path: Path) -> None:
    """A whole line that is none of ours stays where it is; the log goes on after it, and is broken there."""
    log = AuditLog(tmp_path)
    log.note(EVENT)
    with (tmp_path / AUDIT_FILE).open("ab") as stream:
        stream.write(b"forged\n")
    log.note(EVENT)
    raw = (tmp_path / AUDIT_FILE).read_bytes().splitlines()
    assert raw[1] == b"forged"
    assert [AuditLine.from_bytes(raw[at]).event.kind for at in (2, 3)] == [LOG_DAMAGED, REFUSED]
    [fault] = check_log(tmp_path).faults
    assert (fault.reason, fault.line) == ("line_form", 2)


def test_only_the_tail_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line costs the same whatever is before it."""
    log = AuditLog(tmp_path)
    log.note(*[EVENT] * 300)
    read: list[int] = []
    real = audit_files.read_part

    def count(path: Path, **options: int) -> bytes:
        content = real(path, **options)
        read.append(len(content))
        return content

    monkeypatch.setattr(audit_files, "read_part", count)
    log.note(EVENT)
    assert (tmp_path / AUDIT_FILE).stat().st_size > 100_000
    assert sum(read) <= 32 * 1024


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of some lines, three of them."""
    monkeypatch.setattr(audit_files, "PART_BYTES", 2_000)
    monkeypatch.setattr(audit_files, "PARTS", 3)


@pytest.mark.usefixtures("small_parts")
def test_room_is_bounded(tmp_path: Path) -> None:
    """Old files go, a line says so before they do, chain and numbers go on, what holds is carried over."""
    log = AuditLog(tmp_path)
    log.note_keys(["k" * 64])
    for _ in range(60):
        log.note(EVENT)
        assert len(parts(tmp_path)) <= 3
        assert check_log(tmp_path).is_whole
    found = lines(tmp_path)
    assert sum(path.stat().st_size for path in parts(tmp_path)) < 3 * 3_000
    assert found[0].seq > 20
    assert [line.seq for line in found] == list(range(found[0].seq, found[-1].seq + 1))
    assert LOG_TRIMMED in kinds(tmp_path)
    assert found[-1].standing.first == found[0].seq
    assert found[-1].standing.keys == ("k" * 16,)
    assert [int(path.suffix[1:]) for path in parts(tmp_path)[:-1]] == [
        AuditLine.from_bytes(path.read_bytes().splitlines()[0]).seq for path in parts(tmp_path)[:-1]
    ]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("step", range(6))
def test_killed_while_it_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Before whichever step it dies: the log is whole, and the next line goes on where it ended."""
    log = AuditLog(tmp_path)
    while len(parts(tmp_path)) < 3 or not audit_files.is_full(tmp_path):
        log.note(EVENT)
    left = [step]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(audit, "append", dying(audit_files.append))
        patch.setattr(audit_files.Path, "unlink", dying(Path.unlink))
        patch.setattr(audit_files.Path, "rename", dying(Path.rename))
        patch.setattr(audit_files, "sync_folder", dying(audit_files.sync_folder))
        with pytest.raises(KeyboardInterrupt):
            log.note(EVENT)
    head = check_log(tmp_path)
    assert head.is_whole
    log.note(EVENT)
    assert check_log(tmp_path, expected=head.head).is_whole
    assert len(parts(tmp_path)) <= 3


@pytest.mark.parametrize(("call", "number"), [("write", errno.ENOSPC), ("fsync", errno.EIO), ("open", errno.EROFS)])
def test_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Nothing is raised, it is counted, and the log is as before."""
    log = AuditLog(tmp_path)
    log.note(EVENT)
    before, counted = (tmp_path / AUDIT_FILE).read_bytes(), not_noted()

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(audit_files.os, call, fail)
        log.note(EVENT)
    assert (tmp_path / AUDIT_FILE).read_bytes() == before
    assert not_noted() == counted + 1
    log.note(EVENT)
    assert check_log(tmp_path).is_whole


def test_half_a_line_and_then_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk took of a line is taken back."""
    log = AuditLog(tmp_path)
    log.note(EVENT)
    before = (tmp_path / AUDIT_FILE).read_bytes()
    real, left = os.write, [100]

    def write(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n, left[0] = left[0], 0
        return real(descriptor, data[:n])

    with monkeypatch.context() as patch:
        patch.setattr(audit_files.os, "write", write)
        log.note(EVENT)
    assert (tmp_path / AUDIT_FILE).read_bytes() == before


def link(path: Path) -> None:
    """A symbolic link to somewhere else."""
    path.symlink_to(path.parent / "victim")


def hard_link(path: Path) -> None:
    """A second name of another file."""
    path.hardlink_to(path.parent / "victim")


@pytest.mark.parametrize("lay", [link, hard_link, os.mkfifo, Path.mkdir])
def test_nothing_is_written_through(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    """What somebody laid in the place of the log is left alone."""
    (tmp_path / "victim").write_bytes(b"victim\n")
    lay(tmp_path / AUDIT_FILE)
    counted = not_noted()
    AuditLog(tmp_path).note(EVENT)
    assert (tmp_path / "victim").read_bytes() == b"victim\n"
    assert not_noted() == counted + 1


def test_fault_of_ours_is_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong here, the decision stands."""

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(audit, "find_end", broken)
    counted = not_noted()
    AuditLog(tmp_path).note(EVENT)
    assert not_noted() == counted + 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [LOCK_FILE, AUDIT_FILE])
def test_files_of_others_are_not_given_away(tmp_path: Path, name: str) -> None:
    """The agent's user lays a second name of a file of root's into its folder, and waits for root's command."""
    folder, secret = tmp_path / "state", tmp_path / "secret"
    folder.mkdir()
    os.chown(folder, 12_345, 23_456)
    secret.write_text("root's")
    (folder / name).hardlink_to(secret)
    counted = not_noted()
    AuditLog(folder).note(EVENT)
    assert (secret.stat().st_uid, secret.read_text(), not_noted()) == (os.getuid(), "root's", counted + 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [LOCK_FILE, AUDIT_FILE])
def test_a_kill_before_it_was_given_away(tmp_path: Path, name: str) -> None:
    """Root's command died between making a file and giving it to the agent, which could note nothing ever after."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12_345, 23_456)
    (folder / name).touch()
    AuditLog(folder).note(EVENT)
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()}
    assert owners == dict.fromkeys((LOCK_FILE, AUDIT_FILE), (12_345, 23_456))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owned_as_the_folder(tmp_path: Path) -> None:
    """What root writes belongs to the agent, which has to go on with it."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12_345, 23_456)
    AuditLog(folder).note(EVENT)
    for name in (AUDIT_FILE, LOCK_FILE):
        facts = (folder / name).stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (12_345, 23_456, 0o640)


def test_an_agent_holds_the_folder(tmp_path: Path) -> None:
    """The lock of the running agent is on the state folder, and is not waited for."""
    with closing(FolderLock(tmp_path)):
        counted = not_noted()
        AuditLog(tmp_path).note(EVENT)
    assert (kinds(tmp_path), not_noted()) == ([REFUSED], counted)


def test_who_does_not_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that is stopped with the lock in its hand costs a line, and not the decision."""
    monkeypatch.setattr(audit_files, "LOCK_TIMEOUT_S", 0.05)
    log = AuditLog(tmp_path)
    log.note(EVENT)
    counted = not_noted()
    with (tmp_path / LOCK_FILE).open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        log.note(EVENT)
    assert (len(lines(tmp_path)), not_noted()) == (1, counted + 1)


WRITER = """\
import sys
from pathlib import Path
from edge_agent.audit import AuditLog
from edge_agent.trust_event import TrustEvent
for n in range(25):
    AuditLog(Path(sys.argv[1])).note(TrustEvent(kind="refused", reason=sys.argv[2], detail=str(n)))
"""


def test_writers_side_by_side(tmp_path: Path) -> None:
    """Four processes: every line is there once, those of one process in their order, the chain is whole."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert check_log(tmp_path).lines == 100
    assert check_log(tmp_path).is_whole
    for number in range(4):
        mine = [line.event.detail for line in lines(tmp_path) if line.event.reason == str(number)]
        assert mine == list(map(str, range(25)))


def test_keys(tmp_path: Path) -> None:
    """Only a change is noted, with what came and what went."""
    log = AuditLog(tmp_path)
    log.note_keys(["a" * 64, "b" * 64])
    log.note_keys(["b" * 64, "a" * 64])
    log.note(EVENT)
    log.note_keys(["b" * 64, "c" * 64])
    log.note_keys(["b" * 64, "c" * 64])
    assert kinds(tmp_path) == [KEYS_CHANGED, REFUSED, KEYS_CHANGED]
    assert lines(tmp_path)[2].event.detail == f"added {'c' * 16}; removed {'a' * 16}"


def test_running_and_expired_are_told_once(tmp_path: Path) -> None:
    """A restart of the same bundle is no decision."""
    log = AuditLog(tmp_path)
    for digest in ("a" * 64, "a" * 64, "b" * 64):
        log.note_running(digest, "small/1")
        log.note_expired(digest, "small/1", "2026-01-01")
    assert kinds(tmp_path) == [ACTIVATED, EXPIRED, ACTIVATED, EXPIRED]


def states() -> list[SlotsState]:
    """A first bundle that becomes good, and a second one that fails."""
    found = [SlotsState()]
    for event in (
        lambda state: activate(state, OLD, boots=3),
        lambda state: loaded(state, OLD.digest),
        lambda state: mark_good(state, OLD.digest),
        lambda state: activate(state, NEW, boots=3),
        lambda state: give_up(state, "golden_scores", reject=True),
    ):
        after = event(found[-1])
        found.append(SlotsState.from_document(_json({**after.document(), "generation": len(found)})))
    return found


def _json(document: Any) -> Any:
    return json.loads(json.dumps(document))


def test_what_was_not_noted_is_noted_late(tmp_path: Path) -> None:
    """A process died between the state and the log: the next change tells, and then nothing more."""
    log, (empty, trial, probation, good, second, back) = AuditLog(tmp_path), states()
    log.note_slots(empty, trial)
    log.note_slots(trial, probation)
    # good: written, not noted.
    log.note_slots(good, second)
    assert kinds(tmp_path)[2:] == [MARKED_GOOD, ACTIVATED]
    assert lines(tmp_path)[2].event.detail.startswith("noted late: ")
    # back: written, not noted; nothing more happens.
    log.note_slots(back, back)
    log.note_slots(back, back)
    assert kinds(tmp_path)[4:] == [ROLLED_BACK]
    last = lines(tmp_path)[4].event
    assert (last.digest, last.reason) == (NEW.digest, "golden_scores")


def test_state_set_back(tmp_path: Path) -> None:
    """A state from a copy, or removed, which forgets the mark, is told."""
    log, (empty, trial, *_, back) = AuditLog(tmp_path), states()
    log.note_slots(trial, back)
    log.note_slots(empty, empty)
    assert kinds(tmp_path)[-1] == STATE_SET_BACK
    log.note_slots(empty, empty)
    assert kinds(tmp_path).count(STATE_SET_BACK) == 1


def test_a_prefix_does_not_speak_for_the_rest(tmp_path: Path) -> None:
    """Of lines written in one go the disk may take but the first: it must not say what holds after the last."""
    log, (empty, trial, probation, *_) = AuditLog(tmp_path), states()
    log.note(EVENT)
    log.note_slots(trial, probation)
    raw = (tmp_path / AUDIT_FILE).read_bytes().splitlines(keepends=True)
    assert len(raw) == 3
    (tmp_path / AUDIT_FILE).write_bytes(b"".join(raw[:2]))
    log.note_slots(probation, probation)
    assert kinds(tmp_path)[-1] == "probation_began"
    assert empty.generation == 0
