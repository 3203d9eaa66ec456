"""What is known of one unit: frozen records, and the JSON in which they survive a restart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from edge_agent.errors import BundleFormatError, UnitStateError
from edge_agent.strict_json import is_schema, parse_json
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA: Final = 1

POOLED: Final = "pooled"
"""The bundle allows no commissioning: every unit is held against all of its kind."""
COMMISSIONING: Final = "commissioning"
KNOWN: Final = "known"

NO_SHIFT: Final = ""
"""Digest where nothing is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFlight:
    """What one flight says of its unit.

    Attributes:
        flight: Identity of the flight.
        windows: Normal windows it was learned from.
        level: (n_feature,) their medians above the expectation, in healthy spreads.
        low: (n_condition,) lowest operating conditions of these windows.
        high: (n_condition,) highest ones.
    """

    flight: str
    windows: int
    level: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFlight:
    """The flight that has not ended yet: nothing of it counts before it has.

    Attributes:
        flight: Its identity; empty before the first.
        assessed: Windows assessed so far.
        is_alarmed: Whether one of them was in alarm.
        learned: What it would add if it ended here; of 0 windows while there is nothing.
    """

    flight: str
    assessed: int
    is_alarmed: bool
    learned: LearnedFlight


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """Everything that is known of a unit.

    Attributes:
        engine: The unit, as ``aircraft/engine``.
        bundle_digest: The bundle that it was learned for; another one starts anew.
        stage: ``pooled``, ``commissioning`` or ``known``.
        flights: Flights learned from, oldest first.
        refused: Flights that ended without being learned from: an alarm, or too few normal windows.
        shift: (n_feature,) what is taken away, in healthy spreads; empty before it is known.
        clipped: Features whose level lies beyond what may be learned, in the order of the vector.
        open: The flight under way.
    """

    engine: str
    bundle_digest: str
    stage: str
    flights: tuple[LearnedFlight, ...] = ()
    refused: int = 0
    shift: tuple[float, ...] = ()
    clipped: tuple[str, ...] = ()
    open: OpenFlight

    @property
    def shift_digest(self) -> str:
        """sha256 (hex) of the shift's float64 bytes, little-endian; ``NO_SHIFT`` where there is none."""
        return hashlib.sha256(np.array(self.shift, dtype="<f8").tobytes()).hexdigest() if self.shift else NO_SHIFT

    def to_document(self) -> dict[str, Any]:
        """The state as plain JSON types."""
        return {"schema": SCHEMA, **asdict(self)}

    def to_json(self) -> bytes:
        """The state's file."""
        return json.dumps(self.to_document(), sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> UnitState:
        """Read a state's file.

        Raises:
            UnitStateError: Not such a file.
        """
        try:
            document = parse_json(data, where=where)
            schema = document.pop("schema") if isinstance(document, dict) and "schema" in document else 0
            state = from_mapping(cls, document, where=where)
        except (BundleFormatError, SpecError) as error:
            raise UnitStateError(f"{where}: expected the state of a unit, got {error}; remove the file") from error
        if not is_schema(schema, SCHEMA) or state.stage not in (POOLED, COMMISSIONING, KNOWN):
            raise UnitStateError(
                f"{where}: expected schema {SCHEMA} and a known stage, got {schema!r}, {state.stage!r}; remove the file"
            )
        return state


def nothing_learned(flight: str) -> OpenFlight:
    """A flight that has just begun."""
    empty = LearnedFlight(flight=flight, windows=0, level=(), low=(), high=())
    return OpenFlight(flight=flight, assessed=0, is_alarmed=False, learned=empty)


def new_unit(engine: str, bundle_digest: str, stage: str = POOLED) -> UnitState:
    """A unit of which nothing is known."""
    return UnitState(engine=engine, bundle_digest=bundle_digest, stage=stage, open=nothing_learned(""))
