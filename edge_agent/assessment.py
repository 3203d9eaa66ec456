"""Assessment: what the agent says of one window, without the facts of the run that no replay shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from edge_agent.unit_state import NO_SHIFT, POOLED

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature's share (0 to 1) of a window's strangeness."""

    feature: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is said of one window of one engine.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        phase: Flight phase of the window.
        seq: Counts the assessments of one flight of one engine.
        start_ns: Source time of the window's first sample.
        end_ns: Source time just after its last sample.
        state: ``normal``, ``warning``, ``alarm`` or ``not_assessed``.
        reason: Why it is not assessed; empty otherwise.
        event: ``raised`` or ``cleared`` when an alarm begins or ends here; empty otherwise.
        score: The model's score; 0 when not assessed.
        threshold: The threshold it was held against; 0 when not assessed.
        contributions: The features that made most of the score, largest first.
        bundle_id: Detector and version.
        bundle_digest: sha256 of the bundle.
        spec_digest: sha256 of the feature spec.
        unit: What the engine was held against: ``pooled`` (all of its kind, for good), ``commissioning`` (all of its
            kind, while its own level is learned) or ``known`` (itself).
        unit_shift: Digest of the shift that was taken away (``UnitState.shift_digest``); empty for none.
    """

    aircraft: str
    engine: str
    flight: str
    phase: str
    seq: int
    start_ns: int
    end_ns: int
    state: str
    reason: str
    event: str
    score: float
    threshold: float
    contributions: tuple[Contribution, ...]
    bundle_id: str
    bundle_digest: str
    spec_digest: str
    unit: str = POOLED
    unit_shift: str = NO_SHIFT

    def to_document(self) -> dict[str, Any]:
        """The assessment as plain msgpack and JSON types, in a fixed order of fields."""
        fields: dict[str, Any] = {"schema": SCHEMA}
        fields.update({name: getattr(self, name) for name in self.__slots__ if name != "contributions"})
        fields["contributions"] = [[part.feature, part.share] for part in self.contributions]
        return fields


def encode_assessment(assessment: Assessment) -> bytes:
    """The msgpack bytes of an assessment: equal for stream, batch and replay."""
    return bytes(msgpack.packb(assessment.to_document()))
