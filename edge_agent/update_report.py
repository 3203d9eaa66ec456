"""What the last update came to: ``update/report.json``, for people, for the doctor, and to say the same thing once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_agent.audit import AuditLog
from edge_agent.errors import BundleError, UpdateError
from edge_agent.slots_disk import write_durably
from edge_agent.trust_event import HALTED, OFFERED, UPDATE_FAILED, TrustEvent
from edge_agent.update_disk import update_folder

REPORT_FILE: Final = "report.json"
SCHEMA: Final = 1
ONCE: Final = frozenset({OFFERED, HALTED, UPDATE_FAILED})
"""Noted when they begin, not at each of the hourly runs that find them unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update came to.

    Attributes:
        checked: Wall time, ISO 8601, UTC.
        reason: Why it failed; empty where it did not.
        expires: When the metadata seen ends, ISO 8601; empty where none was.
        succeeded: Wall time of the last one that did not fail; empty where none ever did.
        told: Kind, digest and reason of what is noted once.
    """

    checked: str = ""
    reason: str = ""
    expires: str = ""
    succeeded: str = ""
    told: tuple[tuple[str, str, str], ...] = ()


def read_report(state_dir: Path) -> UpdateReport:
    """The report of the last update; an empty one where there is none that can be read."""
    try:
        document = json.loads((update_folder(state_dir) / REPORT_FILE).read_bytes())
        if document.pop("schema") != SCHEMA:
            return UpdateReport()
        return UpdateReport(**{**document, "told": tuple(tuple(each) for each in document["told"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return UpdateReport()


def write_report(state_dir: Path, report: UpdateReport) -> None:
    """Replace the report.

    Raises:
        OSError: The disk refuses.
    """
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(report)}
    write_durably(update_folder(state_dir) / REPORT_FILE, json.dumps(document, indent=1).encode())


@dataclass(slots=True)
class Notes:
    """Notes decisions in the audit log; those of ``ONCE`` only where the last run did not.

    Attributes:
        log: The audit log.
        before: What the last run told.
        told: What this one has to say.
        digest: Of the bundle that is being taken; empty before there is one.
        bundle_id: Its name.
    """

    log: AuditLog
    before: frozenset[tuple[str, str, str]]
    told: list[tuple[str, str, str]] = field(default_factory=list)
    digest: str = ""
    bundle_id: str = ""

    def note(self, event: TrustEvent) -> None:
        """Note a decision."""
        name = (event.kind, event.digest, event.reason)
        if event.kind in ONCE:
            self.told.append(name)
            if name in self.before:
                return
        self.log.note(event)

    def note_failure(self, error: UpdateError | BundleError) -> None:
        """Note that the update came to nothing, over which bundle, and why."""
        self.note(
            TrustEvent(
                kind=UPDATE_FAILED,
                digest=self.digest,
                bundle_id=self.bundle_id,
                reason=error.reason,
                detail=str(error),
            )
        )
