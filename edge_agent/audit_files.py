"""Files of the audit log: ``audit.log`` grows, and is put aside as ``audit.log.<number of its first line>``."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from edge_agent.audit_record import MAX_LINE_BYTES, AuditLine, Head, Standing, hash_of
from edge_agent.journal_segment import sync_folder
from edge_agent.replace_file import PRIVATE, give_to_owner
from edge_agent.trust_event import TrustEvent

AUDIT_FILE: Final = "audit.log"
LOCK_FILE: Final = "audit.lock"
PART_BYTES: Final = 256 * 1024
"""A file that has grown so long is put aside before the next line."""
PARTS: Final = 8
"""So many files are kept, the growing one included."""
READ_CAP: Final = 2 * PART_BYTES
"""No file that we wrote is longer."""
LOCK_TIMEOUT_S: Final = 2.0
"""Longest wait for another writer."""

_TAIL_BYTES = 2 * MAX_LINE_BYTES
_ASIDE = re.compile(r"audit\.log\.(\d{20})")
_LOCK_POLL_S = 0.01
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class End:
    """Where the log ends.

    Attributes:
        head: The last line, whole or not of our form.
        standing: What holds after it.
        torn_bytes: Bytes at the end of the growing file: of a line that a power cut tore.
        damaged: Lines at the end that are none of ours.
    """

    head: Head = field(default_factory=Head)
    standing: Standing = field(default_factory=Standing)
    torn_bytes: int = 0
    damaged: int = 0


def parts(folder: Path) -> list[Path]:
    """The files of the log, oldest first.

    Raises:
        OSError: The folder cannot be read.
    """
    aside = sorted(path for path in folder.iterdir() if _ASIDE.fullmatch(path.name))
    growing = folder / AUDIT_FILE
    return [*aside, growing] if os.path.lexists(growing) else aside


def first_of(path: Path) -> int:
    """Number of the first line of a file that was put aside, by its name; -1 for the growing one."""
    match = _ASIDE.fullmatch(path.name)
    return int(match[1]) if match else -1


def read_part(path: Path, *, since: int = 0, cap: int = READ_CAP) -> bytes:
    """Content of a file from an offset on, at most ``cap`` bytes.

    Raises:
        OSError: It cannot be read, is no regular file, or is asked for as a whole and longer.
    """
    with _opened(path) as stream:
        if since == 0 and os.fstat(stream.fileno()).st_size > cap:
            raise OSError(errno.EFBIG, f"expected at most {cap} bytes", str(path))
        stream.seek(since)
        return stream.read(cap)


def find_end(folder: Path) -> End:
    """Where the log ends: the tail of its last file is read, the whole of it only where that is damaged.

    Raises:
        OSError: It cannot be read.
    """
    torn_bytes = damaged = 0
    for path in reversed(parts(folder)):
        size = path.lstat().st_size
        end = _end_of(read_part(path, since=max(0, size - _TAIL_BYTES)))
        if end.head == Head() and size > _TAIL_BYTES:
            end = _end_of(read_part(path))
        if path.name == AUDIT_FILE:
            torn_bytes = end.torn_bytes
        damaged += end.damaged
        if end.head != Head():
            return End(end.head, end.standing, torn_bytes, damaged)
    return End(torn_bytes=torn_bytes, damaged=damaged)


def last_events(folder: Path, most: int) -> list[TrustEvent]:
    """Decisions of the last lines of the growing file, as far as they are whole.

    Raises:
        OSError: It cannot be read.
    """
    path = folder / AUDIT_FILE
    if not path.exists():
        return []
    lines = read_part(path, since=max(0, path.lstat().st_size - most * _TAIL_BYTES)).split(b"\n")[-1 - most : -1]
    events = []
    for line in lines:
        with suppress(ValueError):
            events.append(AuditLine.from_bytes(line).event)
    return events


def append(folder: Path, content: bytes) -> None:
    """Add lines to the growing file and wait for the disk; after a failure it is as before, if the disk lets it.

    Raises:
        OSError: The disk refuses.
    """
    path = folder / AUDIT_FILE
    is_new = not path.exists()
    descriptor = os.open(path, _APPEND, PRIVATE)
    try:
        _check_regular(descriptor, path)
        if is_new:
            os.fchmod(descriptor, PRIVATE)
        give_to_owner(descriptor, folder)
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(folder)


def cut(folder: Path, n_bytes: int) -> None:
    """Cut torn bytes off the growing file.

    Raises:
        OSError: The disk refuses.
    """
    descriptor = os.open(folder / AUDIT_FILE, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - n_bytes)
    finally:
        os.close(descriptor)


def is_full(folder: Path) -> bool:
    """Whether the growing file is to be put aside before more is added."""
    try:
        return (folder / AUDIT_FILE).lstat().st_size >= PART_BYTES
    except FileNotFoundError:
        return False


def first_kept(folder: Path, head: Head) -> int:
    """Number of the first line of what ``put_aside`` will keep; 0 where it will keep all."""
    aside, dropped = _aside(folder)
    if not dropped:
        return 0
    return first_of(aside[dropped]) if dropped < len(aside) else _first_growing(folder, head)


def put_aside(folder: Path, head: Head) -> None:
    """Put the growing file aside, whose last line is ``head``, and remove what is too much.

    Raises:
        OSError: The disk refuses.
    """
    aside, dropped = _aside(folder)
    first = _first_growing(folder, head)
    for old in aside[:dropped]:
        old.unlink()
    (folder / AUDIT_FILE).rename(folder / f"{AUDIT_FILE}.{first:020d}")
    sync_folder(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other writers out; the kernel lets go of it when the process ends, however it does.

    The lock has a file of its own: that on the state folder is the running agent's for as long as it lives.

    Raises:
        OSError: The disk refuses, or another process does not let go in time.
    """
    path = folder / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)
    try:
        # Not a second name of somebody else's file, which root would give away with it.
        _check_regular(descriptor, path)
        # Also where it was there: who made it may have been killed before it was given away.
        give_to_owner(descriptor, folder)
        _wait_for_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _aside(folder: Path) -> tuple[list[Path], int]:
    """The files put aside, oldest first, and how many of them have to go to make room for another one."""
    aside = [path for path in parts(folder) if path.name != AUDIT_FILE]
    return aside, max(0, len(aside) + 2 - PARTS)


def _first_growing(folder: Path, head: Head) -> int:
    # Counted back from its end: also where its first line is damaged.
    with _opened(folder / AUDIT_FILE) as stream:
        return max(0, head.seq + 1 - sum(1 for _ in iter(stream.readline, b"")))


def _end_of(content: bytes) -> End:
    whole, _, torn = content.rpartition(b"\n")
    lines = whole.split(b"\n") if whole or content[:1] == b"\n" else []
    for damaged, line in enumerate(reversed(lines)):
        try:
            last = AuditLine.from_bytes(line)
        except ValueError:
            continue
        return End(Head(last.seq + damaged, hash_of(lines[-1])), last.standing, len(torn), damaged)
    return End(torn_bytes=len(torn), damaged=len(lines))


def _wait_for_lock(descriptor: int) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_LOCK_POLL_S)
        else:
            return


def _opened(path: Path) -> BinaryIO:
    descriptor = os.open(path, _READ)
    try:
        _check_regular(descriptor, path)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def _check_regular(descriptor: int, path: Path) -> None:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        raise OSError(errno.EINVAL, "expected a regular file of one name", str(path))


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
