"""The audit log: every decision of trust, one line each, chained by hashes; lines are only ever added."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from edge_agent.replace_file import PRIVATE
from edge_agent.slots_disk import locked
from edge_agent.strict_json import canonical_json
from edge_agent.trust_event import TrustEvent

AUDIT_FILE: Final = "audit.log"
SCHEMA: Final = 1
FIRST: Final = "0" * 64
"""What the first line is chained to."""

_log = structlog.get_logger(__name__)


class AuditLog:
    """The audit log of one agent; its processes add to it in turn.

    Args:
        state_dir: The agent's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / AUDIT_FILE

    def note(self, event: TrustEvent) -> None:
        """Add a decision, and wait until it is on disk.

        A disk that refuses is logged and no more: a decision that was taken stands, whether it can be noted or not.
        """
        try:
            with locked(self._path.parent):
                self._add(event)
        except OSError as error:
            _log.error("decision not noted in the audit log", kind=event.kind, error=str(error))

    def _add(self, event: TrustEvent) -> None:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        record = {
            "schema": SCHEMA,
            "seq": len(lines),
            "utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **asdict(event),
            "before": hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST,
        }
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        try:
            os.write(descriptor, canonical_json(record) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
