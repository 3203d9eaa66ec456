"""Tables that are made of those of the dataset, each time these change: pages shall not sort out copies themselves."""

from __future__ import annotations

from string import Template
from typing import Final

FEW: Final = 5
"""The level of late is told by so many flights, and held against as many at the beginning."""
_SHADOWED = """
SELECT DISTINCT ON (aircraft, engine) * FROM (
    SELECT aircraft, engine, shadow_digest, any_value(shadow_id) AS shadow_id, max(to_ns) AS to_ns,
        sum(both_normal + both_alarm)::BIGINT AS agreed, sum(only_active + only_shadow)::BIGINT AS differed
    FROM (SELECT DISTINCT * EXCLUDE (file) FROM agreement)
    GROUP BY ALL
) ORDER BY to_ns <= $believed_ns DESC, to_ns DESC
"""
_LEVELS = f"""
SELECT aircraft, engine, len(p50) AS flights, coalesce(list_median(p50[:{FEW}]), 'nan') AS first_level,
    coalesce(list_median(p50[-{FEW}:]), 'nan') AS last_level
FROM (
    SELECT aircraft, engine, list(p50 ORDER BY last_ns) AS p50
    FROM flights SEMI JOIN engines USING (aircraft, engine, bundle_digest)
    WHERE NOT isnan(p50) GROUP BY ALL
)
"""  # noqa: S608 - a number of ours
_AGENTS = """
SELECT DISTINCT ON (agent) s.*, EXISTS (
    FROM status w WHERE w.is_will AND w.agent = s.agent AND w.run = s.run
) AS is_gone
FROM status s ORDER BY heard_ns DESC, is_will
"""
_BOARD = """
WITH open AS (
    SELECT aircraft, engine, count(*) AS alerts FROM open_alerts GROUP BY ALL
)
SELECT e.aircraft, e.engine, e.flight, e.phase, e.state, e.reason, e.agent, e.bundle_id, e.end_ns, e.score, e.threshold,
    coalesce(o.alerts, 0) AS open_alerts, coalesce(a.state, '') AS agent_state, coalesce(a.health, '') AS health,
    coalesce(a.reasons, '') AS health_reasons, coalesce(a.heard_ns, 0) AS heard_ns,
    coalesce(a.status_interval_s, 0) AS status_interval_s, coalesce(a.is_gone, false) AS is_gone,
    if(a.shadow_state IN ('none', 'refused'), '', coalesce(s.shadow_id, '')) AS shadow_id,
    coalesce(s.agreed, 0) AS agreed, coalesce(s.differed, 0) AS differed, coalesce(l.flights, 0) AS flights,
    coalesce(l.first_level, 'nan') AS first_level, coalesce(l.last_level, 'nan') AS last_level
FROM engines e
LEFT JOIN open o USING (aircraft, engine)
LEFT JOIN shadowed s USING (aircraft, engine)
LEFT JOIN levels l USING (aircraft, engine)
LEFT JOIN agents a USING (agent)
"""
_MADE_OF: Final = {
    "alerts": "SELECT DISTINCT ON (alert_id) * FROM alert WHERE event = 'raised'",
    "engines": (
        "SELECT DISTINCT ON (aircraft, engine) * FROM latest "
        "ORDER BY end_ns <= $believed_ns DESC, end_ns DESC, file DESC"
    ),
    "flights": "SELECT DISTINCT ON (run, aircraft, engine, flight) * FROM flight",
    "agents": _AGENTS,
    "shadowed": _SHADOWED,
    "levels": _LEVELS,
    "open_alerts": (
        "SELECT * FROM alerts ANTI JOIN (SELECT alert_id FROM verdict WHERE verdict != 'needs_review') USING (alert_id)"
    ),
    "board": _BOARD,
}
DERIVED: Final = tuple(_MADE_OF)
"""Their names, in an order in which each finds those that it is made of. ``board`` has a line an engine."""
OF_VERDICTS: Final = ("open_alerts", "board")
"""Those that change with a verdict."""


def query_of(name: str, *, believed_ns: int) -> str:
    """What a table is made of.

    Args:
        name: One of ``DERIVED``.
        believed_ns: A clock that shows a later time runs ahead: what it says gives way to what others say.
    """
    return Template(_MADE_OF[name]).substitute(believed_ns=believed_ns)
