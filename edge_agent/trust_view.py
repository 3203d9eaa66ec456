"""What the status tells of trust: the slots, the end of the audit log, and whether the bundle has expired."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from edge_agent.slots_state import BY_HAND, NO_MARK, NO_SLOT, ROLLED_BACK, STAGES, Slot, SlotsState

UNUSED: Final = "unused"
UNREADABLE: Final = "unreadable"
VIEW_STAGES: Final = (*STAGES, UNUSED, UNREADABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsView:
    """The slots as the status tells of them; names as in ``SlotsState``.

    Attributes:
        stage: ``unused`` without slots, ``unreadable`` where their state cannot be read.
        error: Which check the state failed; empty otherwise.
        rejected: How many bundles are not taken again.
    """

    stage: str = UNUSED
    reason: str = ""
    error: str = ""
    active: Slot = NO_SLOT
    previous: Slot = NO_SLOT
    mark: int = NO_MARK
    mark_epoch: int = 0
    epoch: int = 0
    boots_left: int = 0
    rejected: int = 0

    @classmethod
    def of(cls, state: SlotsState) -> SlotsView:
        """The view of a state."""
        return cls(
            stage=state.stage,
            reason=state.reason,
            active=state.active,
            previous=state.previous,
            mark=state.mark,
            mark_epoch=state.mark_epoch,
            epoch=state.epoch,
            boots_left=state.boots_left,
            rejected=len(state.rejected),
        )

    @property
    def has_fallen_back(self) -> bool:
        """Whether a bundle was left because it failed, and no newer one has been activated since."""
        return self.stage == ROLLED_BACK and self.reason != BY_HAND


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustView:
    """What is told of trust.

    Attributes:
        slots: The slots.
        audit_head: ``SEQ:HASH`` of the last line of the audit log that was seen; empty before the first look.
        bundle_expired: Whether the bundle that runs is past its last day.
    """

    slots: SlotsView = field(default_factory=SlotsView)
    audit_head: str = ""
    bundle_expired: bool = False

    def document(self) -> dict[str, Any]:
        """Its part of the status document."""
        return asdict(self)
