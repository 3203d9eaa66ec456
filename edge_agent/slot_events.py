"""What a change of the slots decided, as events of trust. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge_agent import trust_event
from edge_agent.audit_record import decided
from edge_agent.slots_state import GOOD, NO_SLOT, PROBATION, ROLLED_BACK, TRIAL, Slot, SlotsState
from edge_agent.trust_event import TrustEvent

LATE = "noted late: "


def events_of(before: SlotsState, after: SlotsState) -> list[TrustEvent]:
    """What was decided between two states; empty where only a start was counted."""
    detail = f"the root opened epoch {after.epoch}, it was {before.epoch}: sequences count anew"
    raised = [TrustEvent(kind=trust_event.EPOCH_RAISED, detail=detail)] if after.epoch > before.epoch else []
    return raised + _of_slots(before, after)


def _of_slots(before: SlotsState, after: SlotsState) -> list[TrustEvent]:
    if (before.stage, before.active) == (after.stage, after.active):
        return []
    if after.stage == TRIAL:
        returns = f"returns to {_name(after.previous)}" if after.can_return else "nothing to return to"
        return [
            _event(
                trust_event.ACTIVATED,
                after.active,
                f"epoch {after.active.epoch}, sequence {after.active.sequence}, {after.boots_left} starts, {returns}",
            )
        ]
    if after.stage == PROBATION:
        return [_event(trust_event.PROBATION_BEGAN, after.active, "verified, built and proven by its golden vectors")]
    if after.stage == GOOD:
        return [_event(trust_event.MARKED_GOOD, after.active, f"the mark was {_mark(before)} and is {_mark(after)}")]
    if after.stage == ROLLED_BACK:
        return [_left(before, after)]
    return []


def missed(known: SlotsState, now: SlotsState) -> list[TrustEvent]:
    """What was decided since ``known`` was noted, and never noted itself.

    A process may die, or the disk refuse, between the state and the log. Boots are no decision, and go unnoted.
    """
    if now.generation < known.generation:
        detail = (
            f"the state was set back from generation {known.generation}, {known.stage}, mark {_mark(known)} to "
            f"{now.generation}, {now.stage}, mark {_mark(now)}: damaged, restored or removed"
        )
        return [_event(trust_event.STATE_SET_BACK, now.active, detail)]
    if replace(decided(known), generation=now.generation) == decided(now):
        return []
    return [replace(event, detail=f"{LATE}{event.detail}") for event in events_of(known, now)]


def _left(before: SlotsState, after: SlotsState) -> TrustEvent:
    blamed = {rejected.digest for rejected in after.rejected}
    left = before.active if before.active != after.active else NO_SLOT
    again = "is not taken again" if left.digest in blamed else "may be activated again"
    return _event(trust_event.ROLLED_BACK, left, f"it {again}; {_name(after.active)} runs instead", after.reason)


def _event(kind: str, slot: Slot, detail: str, reason: str = "") -> TrustEvent:
    return TrustEvent(kind=kind, digest=slot.digest, bundle_id=slot.bundle_id, reason=reason, detail=detail)


def _mark(state: SlotsState) -> str:
    return f"{state.mark} of epoch {state.mark_epoch}" if state.mark >= 0 else "none"


def _name(slot: Slot) -> str:
    return f"{slot.bundle_id} ({slot.digest[:16]})"
