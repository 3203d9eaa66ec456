"""``status.json`` in the state folder: written so that a reader sees the old document or the new one."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from edge_agent.errors import ConfigError
from edge_agent.frame import NS_PER_S
from edge_agent.health import OFFLINE, SCHEMA, Counters
from edge_agent.journal_segment import sync_folder
from edge_agent.replace_file import replace_file

STATUS_FILE = "status.json"
MISSED_INTERVALS = 3
"""So many intervals without a new document, and the agent counts as dead or stuck."""

_log = structlog.get_logger(__name__)


def encode_status(document: dict[str, Any]) -> bytes:
    """A status document as JSON."""
    return json.dumps(document, indent=1).encode()


def prepare_folder(folder: Path) -> None:
    """Make the state folder and see that it can be written to.

    A folder that is there, on a disk that has become read-only, is taken: the watch over an engine goes on without it.

    Raises:
        ConfigError: It cannot.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for made in missing:
            with suppress(PermissionError):
                sync_folder(made.parent)
    except OSError as error:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise _not_writable(folder, str(error.strerror)) from error
    is_read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    if not is_read_only and not os.access(folder, os.W_OK | os.X_OK):
        raise _not_writable(folder, "no permission to write")


def write_status(folder: Path, document: dict[str, Any]) -> None:
    """Replace ``status.json``.

    Raises:
        OSError: The disk refuses.
    """
    replace_file(folder / STATUS_FILE, encode_status(document))


def read_status(folder: Path) -> dict[str, Any]:
    """Read ``status.json``; empty when there is none, or only what a crash or another version left.

    Raises:
        ConfigError: It may be there, but this user cannot see it.
    """
    try:
        document = json.loads((folder / STATUS_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be read, got {folder}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
    return document if isinstance(document, dict) and document.get("schema") == SCHEMA else {}


def is_stopped(document: dict[str, Any]) -> bool:
    """Whether a status document says that no agent runs."""
    return not document or document["state"] == OFFLINE


def is_stale(document: dict[str, Any]) -> bool:
    """Whether a status document is older than an agent that works would leave it.

    Monotonic time is the machine's, not the process's; after a reboot it is smaller than the document's.
    """
    age_ns = time.monotonic_ns() - int(document["monotonic_ns"])
    return not 0 <= age_ns <= MISSED_INTERVALS * float(document["status_interval_s"]) * NS_PER_S


def why_stale(document: dict[str, Any]) -> str:
    """What a stale document comes from, by whether the process that wrote it is still there."""
    if Path(f"/proc/{document['pid']}").exists():
        return f"process {document['pid']} is there: it is stuck, or cannot write here (disk full?)"
    return f"process {document['pid']} is gone: it was killed, or the machine was started anew"


class StatusFile:
    """Keeps ``status.json`` up to date; a disk that refuses is told once, and once when it takes it again.

    Args:
        folder: The state folder.
        counters: Counts what could not be written, ``status_not_written``.
    """

    def __init__(self, folder: Path, counters: Counters) -> None:
        self._folder = folder
        self._counters = counters
        self._refused = False

    def keep(self, document: dict[str, Any]) -> None:
        """Write a document, or count that it could not be: a full disk must not end the watch over an engine."""
        try:
            write_status(self._folder, document)
        except OSError as error:
            self._counters.add("status_not_written")
            if not self._refused:
                todo = "make room, or see to the disk; results go on"
                _log.error("status not written", error=str(error), folder=str(self._folder), todo=todo)
            self._refused = True
            return
        if self._refused:
            _log.info("status written again", folder=str(self._folder))
        self._refused = False


def _not_writable(folder: Path, why: str) -> ConfigError:
    return ConfigError(
        f"agent.state_dir: expected a folder that can be written, got {folder}: {why}; make it, or choose another one"
    )
