"""The event of ``ground drift`` that asks for a retraining."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.errors import AgentError
from edge_agent.strict_json import canonical_json, parse_json
from ground.errors import DataError
from ground.fleet.command_drift import SCHEMA
from ground.fleet.verdicts import FlightKey

_CAP: Final = 16 * 1024 * 1024
_DRIFT: Final = "drift"


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """What drifted.

    Attributes:
        digest: sha256 over what the event says, however it is written; the same event again has the same.
        bundle_id: Detector and version that flew, ``detector/version``.
        bundle_digest: sha256 of its bundle.
        flown: The flights that differ.
    """

    digest: str
    bundle_id: str
    bundle_digest: str
    flown: frozenset[FlightKey]

    @property
    def detector(self) -> str:
        """Name of the detector."""
        return self.bundle_id.rpartition("/")[0]


def read_event(path: Path) -> DriftEvent:
    """Read an event.

    Raises:
        DataError: Unreadable, no event of drift, or of another schema.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_CAP + 1)
    except OSError as error:
        raise DataError(
            f"--event: expected a file of `ground drift --out`, got {path}: {error.strerror}; check the path"
        ) from error
    if len(content) > _CAP:
        raise DataError(f"--event: {path}: expected at most {_CAP} bytes, got more; give the file of `ground drift`")
    try:
        return _event(parse_json(content, where="event"))
    except (AgentError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"--event: {path}: expected an event of `ground drift`, schema {SCHEMA}, got {error!s:.200}; "
            "let `ground drift --out` write it"
        ) from error


def _event(document: Any) -> DriftEvent:
    if not isinstance(document, dict):
        raise TypeError("no object")
    found = {name: document.get(name) for name in ("schema", "event", "outcome")}
    if found != {"schema": SCHEMA, "event": _DRIFT, "outcome": _DRIFT}:
        raise ValueError(f"{found}")
    names = [document[name] for name in ("bundle_id", "bundle_digest")]
    if not all(isinstance(name, str) and name.isprintable() and name for name in names):
        raise ValueError("a bundle without a name")
    flown = frozenset(_flight(each["engine"], each["flight"]) for each in document["flown"])
    bundle_id, bundle_digest = names
    return DriftEvent(hashlib.sha256(canonical_json(document)).hexdigest(), bundle_id, bundle_digest, flown)


def _flight(engine: Any, flight: Any) -> FlightKey:
    if not isinstance(engine, str) or not isinstance(flight, str) or "/" not in engine:
        raise TypeError("a flight without aircraft, engine and name")
    aircraft, _, position = engine.partition("/")
    return FlightKey(aircraft, position, flight)
