"""What the audit log must tell after a crash, once the slots have been changed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from edge_agent.audit_check import check_log, places
from edge_agent.audit_files import find_end
from edge_agent.slot_events import missed
from edge_agent.slots_state import SlotsState
from edge_agent.trust_event import LOG_DAMAGED, STATE_SET_BACK

TAMPERING: Final = frozenset({LOG_DAMAGED, STATE_SET_BACK})
"""What no honest crash may look like: an operator is sent out for it."""


def events(state_dir: Path) -> list[tuple[str, str]]:
    """Kinds and reasons of all lines, in order; a torn one at the end is none."""
    lines = [json.loads(place.data) for place in places(state_dir) if place.is_whole]
    return [(line["kind"], line["reason"]) for line in lines]


def what_is_wrong(state_dir: Path, state: SlotsState) -> str:
    """Which promise of the log is broken: whole, every decision up to this state told, no tampering; empty for none."""
    check = check_log(state_dir)
    if not check.is_whole:
        return f"the audit log is not whole: {check.faults[0].text}"
    untold = missed(find_end(state_dir).standing.slots, state)
    if untold:
        return f"a decision was never noted: {untold[0].kind}"
    seen = {kind for kind, _ in events(state_dir)} & TAMPERING
    return f"a crash is noted as tampering: {min(seen)}" if seen else ""
