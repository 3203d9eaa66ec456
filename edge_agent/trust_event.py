"""Decisions of trust: what was offered, taken, refused, proven or left, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_agent.errors import BundleError

OFFERED: Final = "offered"
DOWNLOADED: Final = "downloaded"
INSTALLED: Final = "installed"
ACTIVATED: Final = "activated"
REFUSED: Final = "refused"
PROBATION_BEGAN: Final = "probation_began"
MARKED_GOOD: Final = "marked_good"
ROLLED_BACK: Final = "rolled_back"
EPOCH_RAISED: Final = "epoch_raised"
KEYS_CHANGED: Final = "keys_changed"
UPDATE_FAILED: Final = "update_failed"
HALTED: Final = "halted"
EXPIRED: Final = "expired"
STATE_SET_BACK: Final = "state_set_back"
LOG_TORN: Final = "log_torn"
LOG_DAMAGED: Final = "log_damaged"
LOG_TRIMMED: Final = "log_trimmed"
KINDS: Final = (
    OFFERED,
    DOWNLOADED,
    INSTALLED,
    ACTIVATED,
    REFUSED,
    PROBATION_BEGAN,
    MARKED_GOOD,
    ROLLED_BACK,
    EPOCH_RAISED,
    KEYS_CHANGED,
    UPDATE_FAILED,
    HALTED,
    EXPIRED,
    STATE_SET_BACK,
    LOG_TORN,
    LOG_DAMAGED,
    LOG_TRIMMED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEvent:
    """One decision.

    Attributes:
        kind: One of ``KINDS``.
        digest: Hex sha256 of the bundle it is about; empty where there is none.
        bundle_id: ``<detector>/<version>``; empty where it is not known, or not believed.
        reason: Short label of why, as in ``BundleError.reason``; empty for what went well.
        detail: A sentence for people.
    """

    kind: str
    digest: str = ""
    bundle_id: str = ""
    reason: str = ""
    detail: str = ""


def refused(error: BundleError, digest: str = "", bundle_id: str = "") -> TrustEvent:
    """That a bundle was refused, and why.

    Args:
        error: The refusal.
        digest: Of the bundle, where it is known.
        bundle_id: As in its verified manifest; empty where nothing of it was verified.
    """
    return TrustEvent(kind=REFUSED, digest=digest, bundle_id=bundle_id, reason=error.reason, detail=str(error))
