"""Check of the audit log: whole, and still holding what was sent of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_agent.audit_check import HEAD_DROPPED, check_log
from edge_agent.audit_feed import SENT_FILE, read_position
from edge_agent.finding import Finding, fail, fine

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig


def check_audit(config: AgentConfig) -> Iterator[Finding]:
    """The audit log, where there is a state folder; looks, and changes nothing."""
    folder = config.agent.state_dir
    if folder.is_dir():
        yield _check(config)


def _check(config: AgentConfig) -> Finding:
    folder = config.agent.state_dir
    check = check_log(folder, expected=read_position(folder / SENT_FILE))
    # What was sent may have made room since.
    for fault in (each for each in check.faults if each.reason != HEAD_DROPPED):
        text = f"{fault.file}, line {fault.line}: {fault.reason}: {fault.text}"
        return fail("audit log", text, "keep a copy; compare with what the ground has had of it")
    return fine("audit log", f"{check.lines} lines, whole; head {check.head}")
