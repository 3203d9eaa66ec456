"""The alerts of one flight, in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from ground.console.data.records import records

MOST: Final = 200
_QUERY = """
SELECT alert_id, end_ns, phase, score, threshold, coalesce(v.verdict, '') AS verdict
FROM alerts a LEFT JOIN verdict v USING (alert_id)
WHERE aircraft = $aircraft AND engine = $engine AND flight = $flight
ORDER BY end_ns, alert_id LIMIT $most
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightAlert:
    """One alert.

    Attributes:
        alert_id: Names it.
        end_ns: Source time of its window's end.
        phase: Flight phase.
        score: Of that window.
        threshold: What that was held against.
        verdict: What people say of it; empty where nobody has said anything.
    """

    alert_id: str
    end_ns: int
    phase: str
    score: float
    threshold: float
    verdict: str


def flight_alerts(
    cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str, flight: str
) -> tuple[FlightAlert, ...]:
    """The alerts of a flight."""
    asked = {"aircraft": aircraft, "engine": engine, "flight": flight, "most": MOST}
    return records(cursor.execute(_QUERY, asked), FlightAlert)
