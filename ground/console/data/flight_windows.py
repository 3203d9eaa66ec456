"""The windows of one flight, out of the files of the days it lies in."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from edge_agent.frame import NS_PER_S
from ground.console.data.fleet_index import FleetIndex
from ground.errors import DataError
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import path_name
from ground.fleet.collect.rows import date_of_ns

COLUMNS: Final = ("start_ns", "end_ns", "phase", "state", "reason", "event", "score", "threshold")

_DAY_NS = 86_400 * NS_PER_S
_QUERY = f"""
SELECT {", ".join(COLUMNS)}
FROM (
    SELECT DISTINCT ON (run, seq, bundle_digest) * FROM read_parquet($files, hive_partitioning = false)
    WHERE aircraft = $aircraft AND engine = $engine AND flight = $flight
)
ORDER BY start_ns, end_ns
"""  # noqa: S608 - names of columns


def flight_windows(
    index: FleetIndex, *, aircraft: str, engine: str, flight: str, first_ns: int, last_ns: int
) -> pa.Table:
    """Every window of a flight, each once, in the order of time.

    Args:
        index: The dataset.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        first_ns: Source time in which it begins; a day before and after it are looked at, too.
        last_ns: Source time in which it ends.

    Returns:
        A table of ``COLUMNS``; no rows where there are none.

    Raises:
        DataError: The files cannot be read.
    """
    since, until = date_of_ns(max(0, first_ns - _DAY_NS)), date_of_ns(last_ns + _DAY_NS)
    wanted = {"aircraft": aircraft, "engine": engine, "flight": flight}
    for attempt in (1, 2):
        files = index.files(Kind.RESULT, folder=f"aircraft={path_name(aircraft)}", since=since, until=until)
        if not files:
            break
        try:
            with index.cursor() as cursor:
                return cursor.sql(_QUERY, params={"files": files, **wanted}).to_arrow_table()
        except duckdb.Error as error:
            if attempt == 2:  # noqa: PLR2004 - compaction may have been quicker once, not twice
                raise DataError(
                    f"{flight}: expected readable files of results, got {error!s:.200}; load the page again"
                ) from error
            index.refresh()
    return pa.table({name: [] for name in COLUMNS})
