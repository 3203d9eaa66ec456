"""What an update repository says of a bundle, and for which agents: its writer and its reader share this."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Final

from edge_agent.errors import UpdateError
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

OFFER_SCHEMA: Final = 1
ACTIVE: Final = "active"
SHADOW: Final = "shadow"
ROLES: Final = (ACTIVE, SHADOW)
EPOCH_FIELD: Final = "x-enginear-epoch"
"""Field of the root metadata, which only a threshold of root keys can change: sequences count anew in each epoch."""
SIGNED_FIELD: Final = "x-enginear-signed"
"""Field of timestamp, snapshot and targets metadata: when it was signed, as ``2026-11-28T18:00:00Z``."""
OFFER_FIELD: Final = "enginear"
"""Key of the offer in the custom data of a TUF target."""
FIRST_WAVE: Final = 1
LAST_WAVE: Final = 9
WHOLE: Final = 100.0
_HASH_RANGE: Final = 2**64


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far an offer has gone.

    Attributes:
        wave: Agents of earlier waves take it, all of them; those of later ones do not.
        percent: Share of the agents of this wave that take it, 0 to 100, a whole number: TUF signs no fractions.
        halted: Nobody else takes it.
    """

    wave: int = LAST_WAVE
    percent: float = WHOLE
    halted: bool = False

    def __post_init__(self) -> None:
        if not FIRST_WAVE <= self.wave <= LAST_WAVE or self.percent not in range(int(WHOLE) + 1):
            raise SpecError(
                f"rollout: expected a wave from {FIRST_WAVE} to {LAST_WAVE} and 0 to 100 whole percent, got wave "
                f"{self.wave} and {self.percent}; correct them"
            )

    def reaches(self, agent: str, wave: int, digest: str) -> bool:
        """Whether an agent takes the bundle of this digest.

        Args:
            agent: Its name.
            wave: The wave it is in.
            digest: Hex sha256 of the bundle: so each bundle begins with other agents of a wave.
        """
        if self.halted or wave > self.wave:
            return False
        return wave < self.wave or share_of(agent, digest) < self.percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A bundle in a repository.

    Attributes:
        fleets: The fleets it is for.
        role: ``active`` or ``shadow``.
        bundle_id: ``<detector>/<version>``.
        sequence: The manifest's.
        epoch: The manifest's.
        part_number: The operator's; may be empty.
        rollout: How far it has gone.
    """

    fleets: tuple[str, ...]
    role: str
    bundle_id: str
    sequence: int
    epoch: int = 0
    part_number: str = ""
    rollout: Rollout

    def __post_init__(self) -> None:
        if self.role not in ROLES or not self.fleets:
            raise SpecError(
                f"offer: expected one of {', '.join(ROLES)} and at least one fleet, got {self.role!r} and "
                f"{len(self.fleets)} fleets; correct them"
            )

    @property
    def rank(self) -> tuple[int, int]:
        """Epoch and sequence: of two bundles, the one of the higher rank is the newer."""
        return self.epoch, self.sequence

    def document(self) -> dict[str, Any]:
        """The offer as JSON types, for ``OFFER_FIELD`` of a target's custom data."""
        rollout = {**asdict(self.rollout), "percent": int(self.rollout.percent)}
        return {"schema": OFFER_SCHEMA, **asdict(self), "fleets": list(self.fleets), "rollout": rollout}

    @classmethod
    def from_document(cls, document: Any) -> Offer:
        """Read ``document``.

        Raises:
            UpdateError: ``offer_malformed``: not an offer of this schema.
        """
        if not isinstance(document, dict) or document.get("schema") != OFFER_SCHEMA:
            raise UpdateError(
                "offer_malformed", f"offer: expected schema {OFFER_SCHEMA}, got another one; update the agent"
            )
        try:
            return from_mapping(cls, {key: value for key, value in document.items() if key != "schema"}, where="offer")
        except SpecError as error:
            raise UpdateError("offer_malformed", str(error)) from error


def share_of(agent: str, digest: str) -> float:
    """Where an agent stands in the order in which a bundle reaches them, in percent: from 0, below 100."""
    head = hashlib.sha256(f"{agent}\n{digest}".encode()).digest()[:8]
    return int.from_bytes(head, "big") / _HASH_RANGE * WHOLE
