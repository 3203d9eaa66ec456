"""The fleet in a few numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass

import duckdb

_QUERY = """
SELECT (SELECT count(*) FROM engines), (SELECT count(*) FROM engines WHERE state = 'alarm'),
    (SELECT count(*) FROM open_alerts), (SELECT count(*) FROM flights),
    (SELECT coalesce(max(end_ns), 0) FROM engines WHERE end_ns <= $now_ns)
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts, and how old they are.

    Attributes:
        engines: Engines with at least one window.
        in_alarm: Those whose last window is an alarm.
        open_alerts: Alerts without a verdict, or that need review.
        flights: Flights that were summed up.
        newest_ns: When the newest window ended, source time; clocks that run ahead do not count. 0: there is none.
    """

    engines: int
    in_alarm: int
    open_alerts: int
    flights: int
    newest_ns: int


def totals(cursor: duckdb.DuckDBPyConnection, *, now_ns: int = 0) -> Totals:
    """Count them.

    Args:
        cursor: Asks the index.
        now_ns: Wall time, nanoseconds since 1970 UTC; 0 for now.
    """
    return Totals(*(cursor.execute(_QUERY, {"now_ns": now_ns or time.time_ns()}).fetchone() or (0, 0, 0, 0, 0)))
