"""The features that the alerts of an engine named as their cause, the most telling first."""

from __future__ import annotations

from typing import Final

import duckdb

MOST: Final = 6
_QUERY = """
SELECT part.feature
FROM (SELECT unnest(contributions) AS part FROM alerts WHERE aircraft = $aircraft AND engine = $engine)
GROUP BY ALL ORDER BY sum(part.share) DESC, part.feature LIMIT $most
"""


def named_features(cursor: duckdb.DuckDBPyConnection, aircraft: str, engine: str) -> tuple[str, ...]:
    """Their names."""
    rows = cursor.execute(_QUERY, {"aircraft": aircraft, "engine": engine, "most": MOST}).fetchall()
    return tuple(str(row[0]) for row in rows)
