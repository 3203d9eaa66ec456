"""What a shadow would have changed, over the days that are looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from ground.console.data.fleet_index import FleetIndex
from ground.errors import DataError
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.rows import WINDOW_KEY
from ground.fleet.flight_ends import FlightEnd
from ground.fleet.shadow_report import COLUMNS, Rule, compare

if TYPE_CHECKING:
    from ground.fleet.shadow_report import ShadowReport

NOTHING_SEEN: Final = "No window of this bundle as a shadow is in the days that are looked at."
_KEY = ", ".join(WINDOW_KEY)
_COLUMNS = ", ".join(COLUMNS)
_SHADOW = f"""
SELECT DISTINCT ON ({_KEY}) {_COLUMNS} FROM read_parquet($shadows, hive_partitioning = false)
WHERE bundle_digest = $digest
"""  # noqa: S608 - names of columns
_ACTIVE = f"""
SELECT DISTINCT ON ({_KEY}) {_COLUMNS} FROM read_parquet($results, hive_partitioning = false)
SEMI JOIN (
    SELECT aircraft, engine, flight FROM read_parquet($shadows, hive_partitioning = false)
    WHERE bundle_digest = $digest
) USING (aircraft, engine, flight)
"""  # noqa: S608 - names of columns


def shadow_comparison(index: FleetIndex, digest: str) -> ShadowReport:
    """Compare a shadow with what decided.

    Args:
        index: The dataset.
        digest: sha256 of the shadow's bundle.

    Raises:
        DataError: It has not looked along, or what there is cannot be compared; the text says why.
    """
    shadow = _asked(index, _SHADOW, digest)
    if not len(shadow):
        raise DataError(NOTHING_SEEN)
    return compare(_asked(index, _ACTIVE, digest), shadow, Rule(), ends=_ends(index))


def report_bytes(report: ShadowReport) -> bytes:
    """The report as ``ground shadow report --out`` writes it: the evidence of a promotion."""
    return f"{json.dumps(report.document(), indent=1, sort_keys=True)}\n".encode()


def _ends(index: FleetIndex) -> list[FlightEnd]:
    """Flights that agents have summed up: they are over."""
    with index.cursor() as cursor:
        rows = cursor.execute("SELECT run, aircraft, engine, flight, windows FROM flights").fetchall()
    return [FlightEnd(**dict(zip(FlightEnd.__slots__, row, strict=True))) for row in rows]


def _asked(index: FleetIndex, query: str, digest: str) -> pa.Table:
    """Windows of the flights in which the shadow looked along, each once."""
    files = {"shadows": index.files(Kind.SHADOW), "results": index.files(Kind.RESULT)}
    if not all(files.values()):
        raise DataError(NOTHING_SEEN)
    wanted = {name: paths for name, paths in files.items() if f"${name}" in query}
    try:
        return index.cursor().sql(query, params={**wanted, "digest": digest}).to_arrow_table()
    except duckdb.Error as error:
        raise DataError(f"shadow: expected readable files, got {error!s:.200}; load the page again") from error
