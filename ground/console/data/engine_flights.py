"""The flights of an engine, the newest first: out of the summaries that its agent sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from ground.console.data.records import page_of

MOST: Final = 100
"""Flights on one page."""
_QUERY = """
WITH told AS (
    SELECT flight, min(first_ns) AS first_ns, max(last_ns) AS last_ns, sum(windows)::BIGINT AS windows,
        sum(assessed)::BIGINT AS assessed, sum(raised)::BIGINT AS raised, arg_max(p50, windows) AS p50,
        max(highest) FILTER (assessed > 0) AS highest, arg_max(ended, last_ns) AS ended,
        arg_max(bundle_id, last_ns) AS bundle_id
    FROM flights WHERE aircraft = $aircraft AND engine = $engine AND (flight = $flight OR $flight = '')
    GROUP BY flight
),
under_way AS (
    SELECT flight, max(end_ns) AS end_ns, arg_max(bundle_id, end_ns) AS bundle_id
    FROM latest ANTI JOIN told USING (flight)
    WHERE aircraft = $aircraft AND engine = $engine AND (flight = $flight OR $flight = '')
    GROUP BY flight
)
SELECT flight, first_ns, last_ns, windows, assessed, raised, if(isfinite(p50), p50, 0.0) AS p50,
    if(isfinite(highest), highest, 0.0) AS highest, ended, bundle_id, count(*) OVER () AS total
FROM (
    SELECT * FROM told
    UNION ALL BY NAME
    SELECT flight, end_ns AS first_ns, end_ns AS last_ns, 0::BIGINT AS windows, 0::BIGINT AS assessed,
        0::BIGINT AS raised, NULL::DOUBLE AS p50, NULL::DOUBLE AS highest, '' AS ended, bundle_id
    FROM under_way
)
ORDER BY first_ns DESC, flight
LIMIT $most OFFSET $skip
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightLine:
    """One flight.

    Attributes:
        flight: Its identity.
        first_ns: Source time of its first sample; of its last window's end where no summary has come yet.
        last_ns: Source time just after its last one.
        windows: Windows answered; 0 where no summary has come yet.
        assessed: Those with a score.
        raised: Alerts.
        p50: Median of score over threshold.
        highest: The highest score over threshold; 0 where nothing was assessed.
        ended: Why the flight is over; empty where no summary has come yet.
        bundle_id: Detector and version that decided last.
    """

    flight: str
    first_ns: int
    last_ns: int
    windows: int
    assessed: int
    raised: int
    p50: float
    highest: float
    ended: str
    bundle_id: str

    @property
    def is_summed_up(self) -> bool:
        """Whether a summary has come: else the flight is under way, or its agent went away."""
        return bool(self.ended)


@dataclass(frozen=True, slots=True)
class EngineFlights:
    """A page of flights, and how many there are on all."""

    flights: tuple[FlightLine, ...]
    total: int


def engine_flights(
    cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str, *, skip: int = 0, most: int = MOST
) -> EngineFlights:
    """The flights of one engine."""
    return _asked(cursor, aircraft=aircraft, engine=engine, flight="", skip=skip, most=most)


def one_flight(cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str, flight: str) -> tuple[FlightLine, ...]:
    """One flight of one engine; nothing where there is none of this name."""
    if not flight:
        return ()
    return _asked(cursor, aircraft=aircraft, engine=engine, flight=flight, skip=0, most=1).flights


def _asked(cursor: duckdb.DuckDBPyConnection, **wanted: str | int) -> EngineFlights:
    return EngineFlights(*page_of(cursor.execute(_QUERY, wanted), FlightLine))
