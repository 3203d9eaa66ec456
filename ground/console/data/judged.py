"""What people found of each detector's alerts: the evaluation that service gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

CONFIDENCE: Final = 0.95
_QUERY = """
SELECT bundle_id, count(*), count(*) FILTER (v.verdict = 'confirmed'), count(*) FILTER (v.verdict = 'false_alarm')
FROM alerts LEFT JOIN verdict v USING (alert_id) GROUP BY bundle_id ORDER BY max(end_ns) DESC, bundle_id LIMIT 10
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The alerts of one detector.

    Attributes:
        bundle_id: Detector and version.
        alerts: All of them.
        confirmed: Those in which something was wrong.
        false_alarms: Those in which nothing was.
        low: Bound of the share that was right, of those judged; each bound at ``CONFIDENCE``.
        high: The other one.
    """

    bundle_id: str
    alerts: int
    confirmed: int
    false_alarms: int
    low: float
    high: float

    @property
    def judged(self) -> int:
        """Alerts with a final verdict."""
        return self.confirmed + self.false_alarms

    @property
    def right(self) -> float:
        """Share of the judged ones that were right; NaN where none was judged."""
        return self.confirmed / self.judged if self.judged else float("nan")


def judged_alerts(cursor: duckdb.DuckDBPyConnection) -> tuple[Judged, ...]:
    """The last ten detectors, that of the newest alert first."""
    return tuple(_judged(*row) for row in cursor.execute(_QUERY).fetchall())


def _judged(bundle_id: str, alerts: int, confirmed: int, false_alarms: int) -> Judged:
    from ground.intervals import proportion_bounds

    bounds = proportion_bounds(confirmed, confirmed + false_alarms, confidence=CONFIDENCE)
    return Judged(
        bundle_id=bundle_id, alerts=alerts, confirmed=confirmed, false_alarms=false_alarms, low=bounds.lower,
        high=bounds.upper,
    )  # fmt: skip
