"""Files of the slots: a power cut leaves the old or the new, and nothing is acknowledged before it is on disk.

The state lies in two files by turns, each with its generation and a checksum: where one is damaged, the other counts.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from edge_agent.errors import BundleFormatError, SlotRefused
from edge_agent.journal_segment import sync_folder
from edge_agent.replace_file import PRIVATE, give_to_owner
from edge_agent.slots_state import SlotsState
from edge_agent.strict_json import canonical_json, parse_json
from shared_features.errors import SpecError

STATE_FILES: Final = ("state.0", "state.1")
TEMPORARY: Final = ".new"
LOCK_TIMEOUT_S: Final = 10.0
"""Longest wait for another process that changes the slots."""
_STATE_CAP = 64 * 1024
DAMAGED: Final = b"damaged"
_LOCK_POLL_S = 0.02


def make_folder(folder: Path) -> None:
    """Make a folder that outlives a power cut, owned as the one it lies in.

    Raises:
        OSError: The disk refuses, or something else has its name.
    """
    is_new = not folder.is_dir()
    if is_new:
        folder.mkdir(mode=0o750)
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "a symbolic link", str(folder))
    _give_away(folder)
    try:
        # Also where it was there: whoever made it may have been killed before it was on disk.
        sync_folder(folder.parent)
    except OSError:
        if is_new:
            folder.rmdir()
        raise


def _give_away(folder: Path) -> None:
    """Also where it was there: who made it may have been killed before that. By descriptor, so by no link."""
    if os.geteuid() == 0:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            give_to_owner(descriptor, folder.parent)
        finally:
            os.close(descriptor)


def write_durably(path: Path, content: bytes, *, take_back: bool = False) -> None:
    """Replace a file and wait until both it and its name are on disk.

    Args:
        path: The file.
        content: All of it.
        take_back: Remove the file where its name cannot be synced: nobody may build on a name that a power cut undoes.

    Raises:
        OSError: The disk refuses; up to the rename, the old content stands.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    try:
        write_new(temporary, content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    try:
        sync_folder(path.parent)
    except OSError:
        # A sync that failed is not tried again: the kernel may call clean what it has dropped.
        if take_back:
            with suppress(OSError):
                path.unlink()
        raise


def read_state(folder: Path) -> SlotsState:
    """The newest state that is whole; the empty one where there is none at all.

    Raises:
        SlotRefused: ``state_corrupt``: there are state files, and none is whole.
        OSError: The folder cannot be read.
    """
    contents = [_read(folder / name) for name in STATE_FILES]
    whole = [state for index, content in enumerate(contents) for state in _parse(content, index)]
    if any(contents) and not whole:
        raise SlotRefused(
            "state_corrupt",
            f"{folder}: expected a whole state file, got none among {', '.join(STATE_FILES)}; remove them, "
            "then activate a bundle again",
        )
    return max(whole, key=lambda state: state.generation, default=SlotsState())


def damaged_copies(folder: Path) -> tuple[str, ...]:
    """Names of the state files that are there and not whole.

    Raises:
        OSError: The folder cannot be read.
    """
    contents = [(index, _read(folder / name)) for index, name in enumerate(STATE_FILES)]
    return tuple(STATE_FILES[index] for index, content in contents if content and not _parse(content, index))


def write_state(folder: Path, state: SlotsState) -> None:
    """Write a state over the older one of the two.

    Raises:
        OSError: The disk refuses.
    """
    write_durably(folder / STATE_FILES[state.generation % len(STATE_FILES)], encode_state(state), take_back=True)


def encode_state(state: SlotsState) -> bytes:
    """A state file: hex sha256 of the line that follows, then the state as canonical JSON."""
    body = canonical_json(state.document())
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from the slots; the kernel lets go of it when the process ends, however it does.

    Raises:
        SlotRefused: ``busy``.
        OSError: The folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _wait_for_lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, folder: Path) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise SlotRefused(
                    "busy", f"{folder}: expected nobody else to change it, got another process; try again later"
                ) from None
            time.sleep(_LOCK_POLL_S)
        else:
            return


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, owned as its folder, and wait until it is on disk; its name may not be.

    Raises:
        OSError: The disk refuses, or something has its name.
    """
    # O_EXCL and O_NOFOLLOW: nothing that somebody laid there is written through.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, PRIVATE)
        give_to_owner(descriptor, path.parent)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    """Content of a state file; empty where there is none. More than the cap cannot be whole, and is not read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    except PermissionError:
        raise
    except OSError:
        # A link, or what else stands there, is damage and not the absence of a state.
        return DAMAGED
    return read_copy(descriptor, _STATE_CAP)


def read_copy(descriptor: int, cap: int) -> bytes:
    """At most ``cap`` bytes of one of two copies of a state; ``DAMAGED`` where it is empty or the disk refuses."""
    try:
        return os.read(descriptor, cap) or DAMAGED
    except OSError:
        # A folder, or a bad block: what the other copy is for.
        return DAMAGED
    finally:
        os.close(descriptor)


def _parse(content: bytes, index: int) -> list[SlotsState]:
    """The state in a file; empty where it is not whole."""
    digest, _, rest = content.partition(b"\n")
    body = rest[:-1]
    if rest[-1:] != b"\n" or hashlib.sha256(body).hexdigest().encode() != digest:
        return []
    try:
        state = SlotsState.from_document(parse_json(body, where=STATE_FILES[index]))
    except (ValueError, SpecError, BundleFormatError):
        return []
    return [state] if state.generation % len(STATE_FILES) == index else []
