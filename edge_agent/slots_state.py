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
FAULTS: Final = "faults"
SCHEMA: Final = 2
_BEFORE_EPOCHS = 1
_SLOTS = ("active", "previous")
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
        epoch: The manifest's.
    """

    digest: str
    bundle_id: str
    sequence: int
    epoch: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Epoch and sequence: of two bundles, the one of the higher rank is the newer."""
        return self.epoch, self.sequence


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
        mark: Sequence of the highest rank that has passed its probation here.
        mark_epoch: Epoch of that rank.
        epoch: Latest epoch that the root of trust has opened; it is never lowered.
        rejected: Bundles that failed here, oldest first.
        reason: Why the last return to a previous bundle took place; empty if there was none.
    """

    generation: int = 0
    stage: str = EMPTY
    active: Slot = NO_SLOT
    previous: Slot = NO_SLOT
    boots_left: int = 0
    mark: int = NO_MARK
    mark_epoch: int = 0
    epoch: int = 0
    rejected: tuple[Rejected, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        # A signed bundle may have the largest sequence there is, and once it is good the mark is that.
        counts = (self.generation, self.boots_left, self.mark, self.mark_epoch, self.epoch)
        lowest = (0, 0, NO_MARK, 0, 0)
        if not all(low <= count <= LARGEST_EXACT_INTEGER for low, count in zip(lowest, counts, strict=True)):
            raise ValueError(f"state: expected counts of 0 or more, got {counts}; do not use this file")
        if self.stage not in STAGES or (self.stage == EMPTY) != (self.active == NO_SLOT):
            raise ValueError(f"state: expected a stage that fits its slot, got {self.stage!r}; do not use this file")

    @property
    def mark_rank(self) -> tuple[int, int]:
        """The mark: epoch and sequence that a newer bundle must be above."""
        return self.mark_epoch, self.mark

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
        if not isinstance(document, dict) or not is_schema(document.get("schema"), _BEFORE_EPOCHS, SCHEMA):
            raise ValueError(f"state: expected schema {SCHEMA}, got another one; do not use this file")
        fields = {key: value for key, value in document.items() if key != "schema"}
        fields = _with_epochs(fields) if document["schema"] == _BEFORE_EPOCHS else fields
        return from_mapping(cls, fields, where="state")


def check_offer(state: SlotsState, slot: Slot) -> None:
    """Refuse a bundle that failed here, that is no newer than what was proven here, or of an epoch yet to be opened.

    Raises:
        SlotRefused: ``rejected_digest``.
        PolicyRejected: ``old_sequence`` or ``epoch_ahead``.
    """
    for rejected in state.rejected:
        if rejected.digest == slot.digest:
            raise SlotRefused(
                "rejected_digest",
                f"{slot.bundle_id}: expected a bundle that has not failed here, got {slot.digest[:16]}, which failed "
                f"in {rejected.reason}; release a corrected one",
            )
    if slot.epoch > state.epoch:
        raise PolicyRejected(
            "epoch_ahead",
            f"{slot.bundle_id}: expected epoch {state.epoch} or lower, got {slot.epoch}; whoever holds the root keys "
            "opens an epoch, and `edge-agent update` hears of it",
        )
    if slot.rank <= state.mark_rank:
        raise PolicyRejected(
            "old_sequence",
            f"{slot.bundle_id}: expected sequence {state.mark + 1} or higher in epoch {state.mark_epoch}, or a later "
            f"epoch, got {slot.sequence} in {slot.epoch}; an older bundle is not taken after a newer one; "
            "`edge-agent bundle rollback` returns to the previous one",
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
    is_known_good = slot == state.previous and slot.rank == state.mark_rank
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
    """The agent has ended, and not by the bundle: that start is not held against it."""
    is_its = any(_is(stage, state, digest) for stage in _UNPROVEN)
    return replace(state, boots_left=min(state.boots_left + 1, LARGEST_EXACT_INTEGER)) if is_its else state


def take_boot_back(state: SlotsState, before: SlotsState) -> SlotsState:
    """A start ended in order before anything ran: what ``begin_boot`` counted since ``before`` is undone.

    Not where there is nothing to return to, and the count decides nothing: a start that is refused for months would
    write twice each time.
    """
    if not before.can_return:
        return state
    is_counted = state.active == before.active and state.is_unproven and state.boots_left == before.boots_left - 1
    return replace(state, boots_left=before.boots_left) if is_counted else state


def mark_good(state: SlotsState, digest: str) -> SlotsState:
    """The probation is passed: only now may nothing older come any more."""
    if not _is(PROBATION, state, digest):
        return state
    mark_epoch, mark = max(state.mark_rank, state.active.rank)
    return replace(state, stage=GOOD, boots_left=0, mark=mark, mark_epoch=mark_epoch)


def raise_epoch(state: SlotsState, epoch: int) -> SlotsState:
    """The root of trust has opened an epoch: bundles of it may come, whatever the sequence was driven to before.

    Args:
        state: Before.
        epoch: As a threshold of root keys signed it; one that is not above the state's changes nothing.

    Raises:
        PolicyRejected: ``epoch_range``: beyond 2^53 - 1.
    """
    if epoch > LARGEST_EXACT_INTEGER:
        raise PolicyRejected(
            "epoch_range", f"epoch: expected 0 to {LARGEST_EXACT_INTEGER}, got {epoch}; publish a root with a lower one"
        )
    return replace(state, epoch=max(state.epoch, epoch))


def fail_probation(state: SlotsState, digest: str, reason: str) -> SlotsState:
    """A run of that digest does not work: back to the previous bundle, where there is one. It may be tried again."""
    if not _is(PROBATION, state, digest) or not state.can_return:
        return state
    return give_up(state, reason, reject=False)


def give_up(state: SlotsState, reason: str, *, reject: bool) -> SlotsState:
    """Return to the previous bundle, whatever its sequence.

    A bundle that was proven stays known, as the previous one: once its slot is mended, it may be activated again.

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
        previous=NO_SLOT if state.is_unproven else state.active,
        boots_left=0,
        rejected=rejected,
        reason=reason,
    )


def roll_back(state: SlotsState) -> SlotsState:
    """Return to the previous bundle because a person says so; a proven one can be activated again.

    Raises:
        SlotRefused: ``no_previous``.
    """
    return give_up(state, BY_HAND, reject=False)


def _with_epochs(fields: dict[str, Any]) -> dict[str, Any]:
    """A state written before there were epochs: all of it is of the first one."""
    slots = {name: {"epoch": 0, **fields[name]} for name in _SLOTS if isinstance(fields.get(name), dict)}
    return {"epoch": 0, "mark_epoch": 0, **fields, **slots}


def _is(stage: str, state: SlotsState, digest: str) -> bool:
    """Whether a run of that digest is what the state speaks of; meanwhile another one may have been activated."""
    return state.stage == stage and state.active.digest == digest
