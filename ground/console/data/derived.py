"""Tables that are made of those of the dataset, each time these change: pages shall not sort out copies themselves."""

from __future__ import annotations

from typing import Final

FEW: Final = 5
"""The level of late is told by so many flights, and held against as many at the beginning."""
_BOARD: Final = f"""
WITH open AS (
    SELECT aircraft, engine, count(*) AS alerts FROM open_alerts GROUP BY ALL
),
shadowed AS (
    SELECT aircraft, engine, arg_max(shadow_id, to_ns) AS shadow_id,
        sum(both_normal + both_alarm) AS agreed, sum(only_active + only_shadow) AS differed
    FROM (SELECT DISTINCT * EXCLUDE (file) FROM agreement)
    GROUP BY ALL
),
level AS (
    SELECT aircraft, engine, count(*) AS n, list(p50 ORDER BY last_ns) AS p50
    FROM flights WHERE NOT isnan(p50) GROUP BY ALL
)
SELECT e.aircraft, e.engine, e.flight, e.phase, e.state, e.reason, e.agent, e.bundle_id, e.end_ns, e.score, e.threshold,
    coalesce(o.alerts, 0) AS open_alerts, coalesce(a.state, '') AS agent_state, coalesce(a.health, '') AS health,
    coalesce(a.reasons, '') AS health_reasons, coalesce(s.shadow_id, '') AS shadow_id,
    coalesce(s.agreed, 0)::BIGINT AS agreed, coalesce(s.differed, 0)::BIGINT AS differed,
    coalesce(l.n, 0) AS flights, coalesce(list_median(l.p50[:{FEW}]), 'nan') AS first_level,
    coalesce(list_median(l.p50[-{FEW}:]), 'nan') AS last_level
FROM engines e
LEFT JOIN open o USING (aircraft, engine)
LEFT JOIN shadowed s USING (aircraft, engine)
LEFT JOIN level l USING (aircraft, engine)
LEFT JOIN agents a USING (agent)
"""  # noqa: S608 - a number of ours
DERIVED: Final = {
    "alerts": "SELECT DISTINCT ON (alert_id) * FROM alert WHERE event = 'raised'",
    "engines": "SELECT DISTINCT ON (aircraft, engine) * FROM latest ORDER BY end_ns DESC, file DESC",
    "flights": "SELECT DISTINCT ON (run, aircraft, engine, flight) * FROM flight",
    "agents": "SELECT DISTINCT ON (agent) * FROM status ORDER BY updated DESC",
    "open_alerts": (
        "SELECT * FROM alerts ANTI JOIN (SELECT alert_id FROM verdict WHERE verdict != 'needs_review') USING (alert_id)"
    ),
    "board": _BOARD,
}
"""By name, what each is made of; in an order in which each finds those before it. ``board`` has a line an engine."""
OF_VERDICTS: Final = ("open_alerts", "board")
"""Those that change with a verdict."""
