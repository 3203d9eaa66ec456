"""What is known of an engine now."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import duckdb
from starlette.exceptions import HTTPException

from ground.console.data.records import records

_QUERY = """
SELECT e.state, e.reason, e.phase, e.flight, e.end_ns, e.agent, e.bundle_id, e.bundle_digest,
    (SELECT count(*) FROM alerts WHERE aircraft = $aircraft AND engine = $engine) AS alerts
FROM engines e WHERE e.aircraft = $aircraft AND e.engine = $engine
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNow:
    """The last window of an engine.

    Attributes:
        state: What was said of it.
        reason: Why it was not assessed; empty otherwise.
        phase: Flight phase.
        flight: Identity of the flight.
        end_ns: Source time of its end.
        agent: Who assessed it.
        bundle_id: Detector and version that did.
        bundle_digest: sha256 of that bundle.
        alerts: Alerts of this engine in all days that are looked at.
    """

    state: str
    reason: str
    phase: str
    flight: str
    end_ns: int
    agent: str
    bundle_id: str
    bundle_digest: str
    alerts: int


def engine_now(cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str) -> EngineNow:
    """What is known of one engine.

    Raises:
        HTTPException: Nothing is; the text says so.
    """
    found = last_window(cursor, aircraft, engine)
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No results of this engine are in the days that are looked at.")
    return found[0]


def last_window(cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str) -> tuple[EngineNow, ...]:
    """The last window of an engine; nothing where no result of it has come."""
    return records(cursor.execute(_QUERY, {"aircraft": aircraft, "engine": engine}), EngineNow)
