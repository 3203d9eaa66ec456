"""The engines of a fleet, worst first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import duckdb

from ground.console.data.derived import FEW

MOST: Final = 200
"""Engines on one page."""
_QUERY = """
SELECT *, count(*) OVER () FROM board
WHERE contains(lower(aircraft || '/' || engine), lower($text))
ORDER BY state = 'alarm' DESC, state = 'warning' DESC, open_alerts DESC, end_ns DESC, aircraft, engine
LIMIT $most OFFSET $skip
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLine:
    """One engine.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Of its last window.
        phase: Likewise.
        state: Likewise.
        reason: Likewise: why it was not assessed.
        agent: Who assessed it.
        bundle_id: Detector and version that did.
        end_ns: When that window ended, source time.
        score: Of that window.
        threshold: Of that window.
        open_alerts: Alerts that nobody has judged, or that need review.
        agent_state: ``online``, ``offline`` ...; empty where the agent has said nothing.
        health: The agent's verdict on itself; empty likewise.
        health_reasons: Why.
        shadow_id: The shadow that looked along last; empty for none.
        agreed: Windows in which it said the same.
        differed: Windows in which it did not.
        flights: Flights that were summed up.
        first_level: Median over the first ``FEW`` of them of score over threshold (each flight's median); may be NaN.
        last_level: The same over the last ``FEW``.
    """

    aircraft: str
    engine: str
    flight: str
    phase: str
    state: str
    reason: str
    agent: str
    bundle_id: str
    end_ns: int
    score: float
    threshold: float
    open_alerts: int
    agent_state: str
    health: str
    health_reasons: str
    shadow_id: str
    agreed: int
    differed: int
    flights: int
    first_level: float
    last_level: float

    @property
    def ratio(self) -> float:
        """Score over threshold; NaN where the window was not assessed."""
        return self.score / self.threshold if self.threshold > 0.0 else math.nan

    @property
    def has_trend(self) -> bool:
        """Whether first and last flights are different ones."""
        return self.flights >= 2 * FEW


@dataclass(frozen=True, slots=True)
class Fleet:
    """A page of engines, and how many there are on all."""

    engines: tuple[EngineLine, ...]
    total: int


def fleet(cursor: duckdb.DuckDBPyConnection, *, text: str = "", skip: int = 0, most: int = MOST) -> Fleet:
    """The engines whose ``aircraft/engine`` holds a text, those in alarm first."""
    rows = cursor.execute(_QUERY, {"text": text, "skip": skip, "most": most}).fetchall()
    names = EngineLine.__slots__
    engines = tuple(EngineLine(**dict(zip(names, row, strict=False))) for row in rows)
    return Fleet(engines, rows[0][-1] if rows else 0)
