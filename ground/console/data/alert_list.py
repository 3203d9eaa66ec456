"""The alerts of a fleet, newest first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import duckdb

from ground.console.data.records import page_of

MOST: Final = 50
"""Alerts on one page."""
OPEN: Final = "open"
"""Without a verdict, or one that asks for a review."""
ALL: Final = "all"
_QUERY = """
WITH chosen AS (
    SELECT a.*, coalesce(v.verdict, '') AS verdict, coalesce(v.said_by, '') AS said_by
    FROM alerts a LEFT JOIN verdict v USING (alert_id)
    WHERE ($aircraft = '' OR a.aircraft = $aircraft) AND ($engine = '' OR a.engine = $engine)
        AND ($text = '' OR contains(lower(a.aircraft || '/' || a.engine || '/' || a.flight), lower($text)))
        AND CASE $verdict WHEN 'all' THEN true
            WHEN 'open' THEN coalesce(v.verdict, 'needs_review') = 'needs_review'
            ELSE v.verdict = $verdict END
), page AS (SELECT *, count(*) OVER () AS total FROM chosen ORDER BY end_ns DESC, alert_id LIMIT $most OFFSET $skip)
SELECT p.alert_id, p.aircraft, p.engine, p.flight, p.phase, p.end_ns, p.score, p.threshold, p.bundle_id,
    coalesce(p.contributions[1].feature, '') AS feature, p.verdict, p.said_by,
    EXISTS (FROM evidence e WHERE e.evidence_id = p.evidence_id) AS has_waveform, p.total
FROM page p ORDER BY p.end_ns DESC, p.alert_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts.

    Attributes:
        verdict: ``open``, ``all``, or a verdict.
        aircraft: Only of this one; empty for all.
        engine: Only of this one; empty for all.
        text: What ``aircraft/engine/flight`` holds, whatever the case; empty for all.
    """

    verdict: str = OPEN
    aircraft: str = ""
    engine: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """One alert.

    Attributes:
        alert_id: Names it.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        phase: Flight phase of the window that raised it.
        end_ns: When that window ended, source time.
        score: Of that window.
        threshold: Of that window.
        bundle_id: Detector and version.
        feature: The feature that it names first; empty for none.
        verdict: The last word on it; empty for none.
        said_by: Whose that is.
        has_waveform: Whether the agent has announced one.
    """

    alert_id: str
    aircraft: str
    engine: str
    flight: str
    phase: str
    end_ns: int
    score: float
    threshold: float
    bundle_id: str
    feature: str
    verdict: str
    said_by: str
    has_waveform: bool

    @property
    def ratio(self) -> float:
        """Score over threshold."""
        return self.score / self.threshold if self.threshold > 0.0 else math.nan


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Some alerts, and how many there are on all."""

    alerts: tuple[AlertLine, ...]
    total: int


def alert_page(cursor: duckdb.DuckDBPyConnection, chosen: AlertFilter, *, skip: int = 0, most: int = MOST) -> AlertPage:
    """One page of the alerts that a filter lets through."""
    given = {name: getattr(chosen, name) for name in AlertFilter.__slots__}
    return AlertPage(*page_of(cursor.execute(_QUERY, {**given, "skip": skip, "most": most}), AlertLine))
