"""The engines of a fleet, worst first."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

import duckdb

from edge_agent.health import OFFLINE
from edge_agent.status_file import MISSED_INTERVALS
from ground.console.data.derived import FEW
from ground.console.data.records import page_of

MOST: Final = 200
"""Engines on one page."""
SILENT: Final = "silent"
"""State of an agent that has said nothing for three of its intervals."""
_ON_THE_WAY_S: Final = 120
"""What an agent said is in the dataset after so long: a batch of the collector takes a minute."""
_QUERY = """
SELECT * EXCLUDE (status_interval_s, is_gone) REPLACE (
    CASE WHEN agent_state IN ('', $offline) THEN agent_state
        WHEN $now_ns - heard_ns <= 1e9 * ($intervals * status_interval_s + $way_s) THEN agent_state
        WHEN is_gone THEN $offline ELSE $silent END AS agent_state
), count(*) OVER () AS total FROM board
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
        agent_state: ``online``, ``offline``, ``SILENT`` ...; empty where the agent has said nothing.
        health: The agent's verdict on itself; empty likewise.
        health_reasons: Why.
        heard_ns: When it said so; 0 likewise.
        shadow_id: The shadow that looks along; empty for none.
        agreed: Windows in which this one said the same.
        differed: Windows in which it did not.
        flights: Flights that were summed up, of the bundle that decides now: others have another scale.
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
    heard_ns: int
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
    def is_heard(self) -> bool:
        """Whether what its agent said of itself still holds."""
        return self.agent_state not in ("", OFFLINE, SILENT)

    @property
    def is_silent(self) -> bool:
        """Whether its agent has gone without a word, which no agent does on purpose."""
        return self.agent_state == SILENT

    @property
    def has_trend(self) -> bool:
        """Whether first and last flights are different ones."""
        return self.flights >= 2 * FEW


@dataclass(frozen=True, slots=True)
class Fleet:
    """A page of engines, and how many there are on all."""

    engines: tuple[EngineLine, ...]
    total: int


def fleet(
    cursor: duckdb.DuckDBPyConnection, *, text: str = "", skip: int = 0, most: int = MOST, now_ns: int = 0
) -> Fleet:
    """The engines whose ``aircraft/engine`` holds a text, those in alarm first.

    Args:
        cursor: To the index.
        text: The text, whatever its case; empty for all.
        skip: Engines before the page.
        most: Engines on it.
        now_ns: What time it is; 0 for what the clock says.
    """
    asked = {
        "text": text, "skip": skip, "most": most, "now_ns": now_ns or time.time_ns(), "way_s": _ON_THE_WAY_S,
        "intervals": MISSED_INTERVALS, "offline": OFFLINE, "silent": SILENT,
    }  # fmt: skip
    return Fleet(*page_of(cursor.execute(_QUERY, asked), EngineLine))
