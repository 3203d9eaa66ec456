"""Decisions of trust: what was offered, taken, refused, proven or left, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
