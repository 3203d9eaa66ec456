"""The fleet in four numbers."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

_QUERY = """
SELECT (SELECT count(*) FROM engines), (SELECT count(*) FROM engines WHERE state = 'alarm'),
    (SELECT count(*) FROM open_alerts), (SELECT count(*) FROM flights)
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts.

    Attributes:
        engines: Engines with at least one window.
        in_alarm: Those whose last window is an alarm.
        open_alerts: Alerts without a verdict, or that need review.
        flights: Flights that were summed up.
    """

    engines: int
    in_alarm: int
    open_alerts: int
    flights: int


def totals(cursor: duckdb.DuckDBPyConnection) -> Totals:
    """Count them."""
    return Totals(*(cursor.execute(_QUERY).fetchone() or (0, 0, 0, 0)))
