"""What the slots know, and what follows from each event: decided here, without a disk or a clock.

empty -> trial -> probation -> good; from each of the last three to rolled back, where the bundle before decides again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from edge_agent.errors import PolicyRejected, SlotRefused
from edge_agent.strict_json import LARGEST_EXACT_INTEGER, is_schema
from shared_features.parse import from_mapping

EMPTY: Final = "empty"
TRIAL: Final = "trial"
PROBATION: Final = "probation"
GOOD: Final = "good"
ROLLED_BACK: Final = "rolled_back"
STAGES: Final = (EMPTY, TRIAL, PROBATION, GOOD, ROLLED_BACK)

BY_HAND: Final = "by_hand"
BOOTS_USED_UP: Final = "boots_used_up"
SCHEMA: Final = 1
NO_MARK: Final = -1
REJECTED_KEPT: Final = 64
"""So many digests are remembered; the mark refuses what is older still."""

_UNPROVEN = (TRIAL, PROBATION)


@dataclass(frozen=True, slots=True)
class Slot:
    """An installed bundle.

    Attributes:
        digest: Lower-case hex sha256 of its file; the file's name.
        bundle_id: ``<detector>/<version>``.
        sequence: The manifest's.
    """

    digest: str
    bundle_id: str
    sequence: int


NO_SLOT: Final = Slot("", "", NO_MARK)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A bundle that failed here and is not taken again.

    Attributes:
        digest: Its digest.
        reason: What it failed in.
    """

    digest: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsState:
    """All that is known of the slots; a new one for each event.

    Attributes:
        generation: Grows by one with each state that is written.
        stage: Of the active slot; one of ``STAGES``.
        active: What the agent runs, or ``NO_SLOT``.
        previous: What it returns to: proven here, or ``NO_SLOT``.
        boots_left: Starts that a bundle on trial or probation still has.
        mark: Highest sequence that has passed its probation here.
        rejected: Bundles that failed here, oldest first.
        reason: Why the last return to a previous bundle took place; empty if there was none.
    """

    generation: int = 0
    stage: str = EMPTY
    active: Slot = NO_SLOT
    previous: Slot = NO_SLOT
    boots_left: int = 0
    mark: int = NO_MARK
    rejected: tuple[Rejected, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        # A signed bundle may have the largest sequence there is, and once it is good the mark is that.
        counts, lowest = (self.generation, self.boots_left, self.mark), (0, 0, NO_MARK)
        if not all(low <= count <= LARGEST_EXACT_INTEGER for low, count in zip(lowest, counts, strict=True)):
            raise ValueError(f"state: expected counts of 0 or more, got {counts}; do not use this file")
        if self.stage not in STAGES or (self.stage == EMPTY) != (self.active == NO_SLOT):
            raise ValueError(f"state: expected a stage that fits its slot, got {self.stage!r}; do not use this file")

    @property
    def is_unproven(self) -> bool:
        """Whether the active bundle is on trial or probation."""
        return self.stage in _UNPROVEN

    @property
    def can_return(self) -> bool:
        """Whether there is a bundle to return to."""
        return self.previous != NO_SLOT

    def document(self) -> dict[str, Any]:
        """The state as JSON types."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_document(cls, document: Any) -> SlotsState:
        """Read ``document``.

        Raises:
            ValueError: Not a state of this schema.
        """
        if not isinstance(document, dict) or not is_schema(document.get("schema"), SCHEMA):
            raise ValueError(f"state: expected schema {SCHEMA}, got another one; do not use this file")
        return from_mapping(cls, {key: value for key, value in document.items() if key != "schema"}, where="state")


def check_offer(state: SlotsState, slot: Slot) -> None:
    """Refuse a bundle that failed here, or that is no newer than what was proven here.

    Raises:
        SlotRefused: ``rejected_digest``.
        PolicyRejected: ``old_sequence``.
    """
    for rejected in state.rejected:
        if rejected.digest == slot.digest:
            raise SlotRefused(
                "rejected_digest",
                f"{slot.bundle_id}: expected a bundle that has not failed here, got {slot.digest[:16]}, which failed "
                f"in {rejected.reason}; release a corrected one",
            )
    if slot.sequence <= state.mark:
        raise PolicyRejected(
            "old_sequence",
            f"{slot.bundle_id}: expected sequence {state.mark + 1} or higher, got {slot.sequence}; "
            "an older bundle is not taken after a newer one; `edge-agent bundle rollback` returns to the previous one",
        )


def activate(state: SlotsState, slot: Slot, *, boots: int) -> SlotsState:
    """Put a bundle on trial; the active one is unchanged where it is that one already.

    Args:
        state: Before.
        slot: The bundle.
        boots: Starts that it gets to pass its probation in.

    Raises:
        SlotRefused: It failed here before.
        PolicyRejected: It is older than what was proven here.
    """
    if slot == state.active:
        return state
    is_known_good = slot == state.previous and slot.sequence == state.mark
    if not is_known_good:
        check_offer(state, slot)
    previous = state.previous if state.is_unproven else state.active
    previous = NO_SLOT if previous == slot else previous
    return replace(state, stage=TRIAL, active=slot, previous=previous, boots_left=boots, reason="")


def begin_boot(state: SlotsState) -> SlotsState:
    """A start begins: a bundle that is not proven pays for it, one that has none left gives way.

    The first bundle there ever was has nothing to give way to, and is tried on.
    """
    if not state.is_unproven:
        return state
    if state.boots_left > 0:
        return replace(state, boots_left=state.boots_left - 1)
    return give_up(state, BOOTS_USED_UP, reject=True) if state.can_return else state


def loaded(state: SlotsState, digest: str) -> SlotsState:
    """The bundle of that digest was verified, built and proven: its probation begins if it is still the active one."""
    return replace(state, stage=PROBATION) if _is(TRIAL, state, digest) else state


def end_cleanly(state: SlotsState, digest: str) -> SlotsState:
    """The agent was asked to end and did: that start is not held against the bundle."""
    return replace(state, boots_left=state.boots_left + 1) if _is(PROBATION, state, digest) else state


def mark_good(state: SlotsState, digest: str) -> SlotsState:
    """The probation is passed: only now may nothing older come any more."""
    if not _is(PROBATION, state, digest):
        return state
    return replace(state, stage=GOOD, boots_left=0, mark=max(state.mark, state.active.sequence))


def give_up(state: SlotsState, reason: str, *, reject: bool) -> SlotsState:
    """Return to the previous bundle, whatever its sequence.

    Args:
        state: Before; it has a previous bundle.
        reason: A short label of what went wrong.
        reject: Whether the bundle itself is to blame, and is not taken again.

    Raises:
        SlotRefused: ``no_previous``.
    """
    if not state.can_return:
        raise SlotRefused("no_previous", "bundles: expected a previous bundle, got none; install and activate one")
    rejected = (*state.rejected, Rejected(state.active.digest, reason))[-REJECTED_KEPT:] if reject else state.rejected
    return replace(
        state,
        stage=ROLLED_BACK,
        active=state.previous,
        previous=NO_SLOT,
        boots_left=0,
        rejected=rejected,
        reason=reason,
    )


def roll_back(state: SlotsState) -> SlotsState:
    """Return to the previous bundle because a person says so; a proven one can be activated again.

    Raises:
        SlotRefused: ``no_previous``.
    """
    after = give_up(state, BY_HAND, reject=False)
    return after if state.is_unproven else replace(after, previous=state.active)


def _is(stage: str, state: SlotsState, digest: str) -> bool:
    """Whether a run of that digest is what the state speaks of; meanwhile another one may have been activated."""
    return state.stage == stage and state.active.digest == digest
