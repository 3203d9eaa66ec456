"""The alerts whose pages somebody is likely to open next: the newest open ones, one a phase and feature."""

from __future__ import annotations

from typing import Final

import duckdb

MOST: Final = 16
"""Each may cost a second or two of a core, in the background."""
_QUERY = """
SELECT alert_id FROM (
    SELECT DISTINCT ON (bundle_id, spec_digest, phase, contributions[1].feature) alert_id, end_ns
    FROM open_alerts ORDER BY end_ns DESC, alert_id
) ORDER BY end_ns DESC, alert_id LIMIT $most
"""


def alerts_ahead(cursor: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Their ids, the newest first."""
    return tuple(str(name) for (name,) in cursor.execute(_QUERY, {"most": MOST}).fetchall())
