"""Evidence: the waveform around an alert, as a file of frames and a description of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgpack

from edge_agent.errors import EvidenceError
from edge_agent.unit_state import NO_SHIFT, POOLED
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.waveform_ring import Snapshot

SCHEMA = 1
ID_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one snapshot.

    Attributes:
        id: Its name; follows from the run and the alert, see ``evidence_id``.
        agent: Name of the agent.
        run: The run of the agent that gave the alert.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        phase: Flight phase of the alert's window.
        seq: ``seq`` of the alert.
        start_ns: Source time of the alert's window.
        end_ns: Source time just after it.
        score: The alert's score.
        threshold: What it was held against.
        bundle_id: Detector and version.
        bundle_digest: sha256 of the bundle.
        first_ns: Source time of the first sample in the file.
        last_ns: Source time just after the last sample.
        n_frame: Frames in the file.
        first_seq: ``seq`` of the first assessment of a replay, for ``edge-agent replay --first-seq``.
        reproduces: Whether that replay gives the alert to the same bytes, by the bundle alone.
        n_byte: Length of the file.
        sha256: Of the file, hex.
        unit: What the engine was held against, as in the alert.
        unit_shift: Digest of the shift that was taken away, as in the alert: a replay needs it (``replay --units``).
    """

    id: str
    agent: str
    run: str
    aircraft: str
    engine: str
    flight: str
    phase: str
    seq: int
    start_ns: int
    end_ns: int
    score: float
    threshold: float
    bundle_id: str
    bundle_digest: str
    first_ns: int
    last_ns: int
    n_frame: int
    first_seq: int
    reproduces: bool
    n_byte: int = 0
    sha256: str = ""
    unit: str = POOLED
    unit_shift: str = NO_SHIFT

    @classmethod
    def of(cls, snapshot: Snapshot, *, agent: str, run: str) -> Evidence:
        """The description of a snapshot that is not written yet."""
        alert = snapshot.alert
        return cls(
            id=evidence_id(run, alert),
            agent=agent,
            run=run,
            aircraft=alert.aircraft,
            engine=alert.engine,
            flight=alert.flight,
            phase=alert.phase,
            seq=alert.seq,
            start_ns=alert.start_ns,
            end_ns=alert.end_ns,
            score=alert.score,
            threshold=alert.threshold,
            bundle_id=alert.bundle_id,
            bundle_digest=alert.bundle_digest,
            first_ns=snapshot.frames[0].t_ns,
            last_ns=snapshot.frames[-1].end_ns,
            n_frame=len(snapshot.frames),
            first_seq=snapshot.first_seq,
            reproduces=snapshot.reproduces,
            unit=alert.unit,
            unit_shift=alert.unit_shift,
        )

    def to_document(self) -> dict[str, Any]:
        """The description as plain msgpack and JSON types."""
        return {"schema": SCHEMA, **asdict(self)}

    def to_msgpack(self) -> bytes:
        """The description as msgpack."""
        return bytes(msgpack.packb(self.to_document()))

    def to_json(self) -> bytes:
        """The description as JSON."""
        return (json.dumps(self.to_document(), indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Evidence:
        """Read a description.

        Raises:
            EvidenceError: Not one of this schema.
        """
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or document.pop("schema", 0) != SCHEMA:
                raise EvidenceError(f"evidence: expected schema {SCHEMA}, got another document; remove the file")
            return from_mapping(cls, document, where="evidence")
        except (ValueError, SpecError) as error:
            raise EvidenceError(f"evidence: expected a description, got {error}; remove the file") from error


def evidence_id(run: str, alert: Assessment) -> str:
    """The name of an alert's evidence: whoever holds the alert can reckon it.

    The first 16 hex digits of the sha256 of run, aircraft, engine, flight and seq, with a line break between them.
    """
    return id_of(run, alert.aircraft, alert.engine, alert.flight, alert.seq)


def id_of(run: str, aircraft: str, engine: str, flight: str, seq: int) -> str:
    """The same for whoever has the names alone."""
    return hashlib.sha256("\n".join((run, aircraft, engine, flight, str(seq))).encode()).hexdigest()[:ID_DIGITS]
