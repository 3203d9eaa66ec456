"""How an update looks at the slots: what is newer there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.errors import BundleError
from edge_agent.slots_state import Slot, SlotsState, check_offer

if TYPE_CHECKING:
    from edge_agent.update_choice import Offered


def is_newer(state: SlotsState, offered: Offered) -> bool:
    """Whether a bundle is newer than the active one, has not failed here, and was not left by hand."""
    offer = offered.offer
    if offered.digest in (state.active.digest, state.previous.digest):
        return False
    try:
        check_offer(state, Slot(offered.digest, offer.bundle_id, offer.sequence, offer.epoch))
    except BundleError:
        return False
    return offer.rank > state.active.rank
