"""Result: an assessment with the facts of this run, as it goes to the broker.

A result without its ``runtime`` has the very bytes of ``encode_assessment``: that is how a stream, a batch and a
replay are compared. The format is described in docs/reference/payload.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from edge_agent.assessment import SCHEMA, Assessment, Contribution
from edge_agent.errors import WireError
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

RUNTIME = "runtime"
_LIVE_END = bytes(msgpack.packb("historical")) + bytes(msgpack.packb(False))
"""How a result ends: the flag is the last field of the last map."""
_HISTORICAL = bytes(msgpack.packb(True))


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the milliseconds between a frame's arrival and its result went.

    Attributes:
        queue: In the inbox.
        decode: From bytes to a checked frame.
        detect: Features, score and decision, of all windows the frame completed.
    """

    queue: float
    decode: float
    detect: float

    @property
    def total(self) -> float:
        """The sum, ms."""
        return self.queue + self.decode + self.detect


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Facts of the run that no replay shares.

    Attributes:
        agent: Name of the agent.
        run: Names one run of the agent: results are unique by run, aircraft, engine, flight and ``seq``,
            as long as one flight of an engine ends before its next begins.
        monotonic_ns: Monotonic time of the decision.
        clock: Quality of the wall clock: ``synchronised``, ``unsynchronised`` or ``unknown``.
        latency_ms: Where the time went.
        deadline_missed: Whether the sum is more than the agent's deadline.
        historical: Whether the result was kept and sent later; the last field, ``as_historical`` counts on that.
    """

    agent: str
    run: str
    monotonic_ns: int
    clock: str
    latency_ms: Latency
    deadline_missed: bool
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """An assessment and the facts of the run in which it was made."""

    assessment: Assessment
    runtime: Runtime


def encode_result(result: Result) -> bytes:
    """The msgpack bytes of a result: the fields of the assessment, then ``runtime``."""
    return bytes(msgpack.packb({**result.assessment.to_document(), RUNTIME: _plain(result.runtime)}))


def _plain(record: Runtime | Latency) -> dict[str, Any]:
    # ``dataclasses.asdict`` copies every value deeply, which took most of the time of encoding a result.
    fields = ((name, getattr(record, name)) for name in record.__slots__)
    return {name: _plain(value) if isinstance(value, Latency) else value for name, value in fields}


def as_historical(payload: bytes) -> bytes:
    """The payload of a result with its ``historical`` set; that of anything else as it is.

    One byte is exchanged, so that what was decided is sent later to the bit.
    """
    return payload[: -len(_HISTORICAL)] + _HISTORICAL if payload.endswith(_LIVE_END) else payload


def decode_result(payload: bytes) -> Result:
    """Read a result.

    Raises:
        WireError: Not a result of this schema.
    """
    try:
        document = msgpack.unpackb(payload)
        return Result(_assessment(document), from_mapping(Runtime, document[RUNTIME], where=RUNTIME))
    except (ValueError, TypeError, KeyError, SpecError, msgpack.exceptions.UnpackException) as error:
        raise WireError("result", f"result: expected schema {SCHEMA}, got {error!r:.200}; see the format") from error


def _assessment(document: Any) -> Assessment:
    if not isinstance(document, dict) or document["schema"] != SCHEMA:
        raise ValueError("another document")
    fields = {name: value for name, value in document.items() if name not in ("schema", RUNTIME, "contributions")}
    return Assessment(**fields, contributions=tuple(Contribution(*part) for part in document["contributions"]))
