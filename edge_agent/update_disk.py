"""State of the updater on disk: two files by turns, each with its generation and a checksum, as the slots have them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge_agent.errors import BundleFormatError, ConfigError, UpdateError
from edge_agent.slots_disk import DAMAGED, read_copy, write_durably
from edge_agent.strict_json import canonical_json, parse_json
from edge_agent.update_state import UpdateState
from shared_features.errors import SpecError

UPDATE_FOLDER: Final = "update"
STATE_FILES: Final = ("state.0", "state.1")
_STATE_CAP: Final = 256 * 1024


def update_folder(state_dir: Path) -> Path:
    """Where the updater keeps what it knows."""
    return state_dir / UPDATE_FOLDER


def read_update_state(state_dir: Path) -> UpdateState:
    """The newest state that is whole; the empty one where there never was one.

    Raises:
        UpdateError: ``state_corrupt``: there are state files, and none is whole.
        ConfigError: This user may not read there.
    """
    folder = update_folder(state_dir)
    contents = [_read(folder / name) for name in STATE_FILES]
    whole = [state for index, content in enumerate(contents) for state in _parse(content, index)]
    if any(contents) and not whole:
        raise UpdateError(
            "state_corrupt",
            f"{folder}: expected a whole state file, got none among {', '.join(STATE_FILES)}; remove them: what "
            "was seen of versions, keys and revocations is lost, and is read anew",
        )
    return max(whole, key=lambda state: state.generation, default=UpdateState())


def write_update_state(state_dir: Path, before: UpdateState, after: UpdateState) -> UpdateState:
    """Write what follows over the older of the two files, and wait until it is on disk; nothing if nothing follows.

    Returns:
        The state that stands.

    Raises:
        OSError: The disk refuses.
    """
    if after == before:
        return before
    after = replace(after, generation=before.generation + 1)
    body = canonical_json(after.document())
    content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"
    write_durably(update_folder(state_dir) / STATE_FILES[after.generation % len(STATE_FILES)], content)
    return after


def _read(path: Path) -> bytes:
    """Content of a state file; empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except PermissionError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be read, got {path.parent}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
    except OSError:
        return DAMAGED
    return read_copy(descriptor, _STATE_CAP)


def _parse(content: bytes, index: int) -> list[UpdateState]:
    """The state in a file; empty where it is not whole."""
    digest, _, rest = content.partition(b"\n")
    body = rest[:-1]
    if rest[-1:] != b"\n" or hashlib.sha256(body).hexdigest().encode() != digest:
        return []
    try:
        state = UpdateState.from_document(parse_json(body, where=STATE_FILES[index]))
    except (ValueError, SpecError, BundleFormatError):
        return []
    return [state] if state.generation % len(STATE_FILES) == index else []
