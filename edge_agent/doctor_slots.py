"""Check of the slots: which bundle runs, what it came from, and whether both copies of the state are whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from edge_agent.errors import SlotRefused
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.slots_disk import damaged_copies
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import BY_HAND, EMPTY, ROLLED_BACK, SlotsState

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

STATE_CORRUPT: Final = "state_corrupt"
_ADVICE = {
    STATE_CORRUPT: "nothing runs, nothing is installed: remove bundles/state.0 and bundles/state.1 of the state "
    "folder, activate a slot of `edge-agent bundle list`, start the agent; if it comes again, replace the disk",
    "disk_error": "see to the disk (dmesg), then start the agent",
}
_INSTALL = "edge-agent bundle install, then bundle activate"


def check_slots(config: AgentConfig) -> Iterator[Finding]:
    """The state of the slots, where there are any; looks, and changes nothing."""
    if not config.bundle.slots:
        return
    ledger = SlotLedger(config.agent.state_dir)
    try:
        state = ledger.state()
        damaged = damaged_copies(ledger.folder)
    except SlotRefused as error:
        yield fail("slots", f"{error.reason}: {error}", advice_on(error.reason, _INSTALL))
        return
    yield _finding(state, damaged)


def advice_on(reason: str, otherwise: str) -> str:
    """What to do about a bundle that is refused for ``reason``, where it is the slots' own."""
    return _ADVICE.get(reason, otherwise)


def _finding(state: SlotsState, damaged: tuple[str, ...]) -> Finding:
    text = f"{state.stage}{f', for {state.reason}' if state.reason else ''}: {state.active.bundle_id or 'no bundle'}"
    if damaged:
        return warn(
            "slots",
            f"{text}; {', '.join(damaged)} is damaged, and generation {state.generation} of the other one counts, "
            "which may be older than what was acknowledged last",
            "see `edge-agent bundle status`; the next change writes it anew; if it comes again, replace the disk",
        )
    if state.stage == EMPTY:
        return fail("slots", text, _INSTALL)
    if state.stage == ROLLED_BACK and state.reason != BY_HAND:
        return warn("slots", text, "find out why (journalctl -u edge-agent), and release a corrected bundle")
    return fine("slots", f"{text}, {state.boots_left} boots left" if state.is_unproven else text)
