"""One alert, with what came of it and what resembles it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from edge_agent.assessment import Contribution
from ground.console.data.records import records
from ground.fleet.verdicts import AlertKey

SIMILAR: Final = 6
_ALERT = """
SELECT a.* EXCLUDE (event, file), (
    SELECT coalesce(min(c.end_ns), 0) FROM alert c
    WHERE c.event = 'cleared' AND c.seq > a.seq
        AND (c.run, c.aircraft, c.engine, c.flight) = (a.run, a.aircraft, a.engine, a.flight)
) AS cleared_ns, EXISTS (
    FROM flights f WHERE (f.run, f.aircraft, f.engine, f.flight) = (a.run, a.aircraft, a.engine, a.flight)
) AS is_flight_over
FROM alerts a WHERE alert_id = $id
"""
_EVIDENCE = "SELECT evidence_id, agent, n_byte FROM evidence WHERE evidence_id = $evidence LIMIT 1"
_SIMILAR = """
WITH part AS (
    SELECT a.alert_id, a.aircraft, a.engine, a.flight, a.end_ns, c.feature, c.share
    FROM (SELECT *, unnest(contributions) AS c FROM alerts WHERE end_ns <= $end_ns) a
), own AS (SELECT feature, share FROM part WHERE alert_id = $id),
length AS (SELECT alert_id, sqrt(sum(share * share)) AS norm FROM part GROUP BY alert_id),
likeness AS (
    SELECT p.alert_id, any_value(p.aircraft) AS aircraft, any_value(p.engine) AS engine, any_value(p.flight) AS flight,
        any_value(p.end_ns) AS end_ns, sum(p.share * own.share) AS product
    FROM part p JOIN own USING (feature) WHERE p.alert_id != $id GROUP BY p.alert_id
)
SELECT l.alert_id, l.aircraft, l.engine, l.flight, l.end_ns,
    product / (norm * (SELECT sqrt(sum(share * share)) FROM own)) AS likeness,
    coalesce(v.verdict, '') AS verdict, coalesce(v.note, '') AS note
FROM likeness l JOIN length USING (alert_id) LEFT JOIN verdict v USING (alert_id)
WHERE norm > 0 ORDER BY 6 DESC, l.end_ns DESC, l.alert_id LIMIT $most
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A waveform that an agent holds.

    Attributes:
        evidence_id: Names it.
        agent: Who holds it.
        n_byte: Length of the file.
    """

    evidence_id: str
    agent: str
    n_byte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An alert before this one.

    Attributes:
        alert_id: Names it.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        end_ns: When its window ended.
        likeness: Cosine between the shares of the features that the two name, 0 to 1.
        verdict: The last word on it; empty for none.
        note: What was said with it.
    """

    alert_id: str
    aircraft: str
    engine: str
    flight: str
    end_ns: int
    likeness: float
    verdict: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail:
    """One alert.

    Attributes:
        key: Names its window.
        alert_id: A short name for it.
        evidence_id: Name of its waveform, whether there is one or not.
        agent: Who raised it.
        phase: Flight phase of its window.
        start_ns: Source time of the first sample of its window.
        end_ns: Source time just after the last one.
        score: Of its window.
        threshold: Of its window.
        bundle_id: Detector and version.
        spec_digest: sha256 of the feature spec.
        clock: How far its times can be believed.
        contributions: Features that make most of the score, largest first.
        cleared_ns: When the alarm ended; 0 where that was not seen.
        is_flight_over: Whether the agent has summed up the flight: with it an alarm ends that stands.
    """

    key: AlertKey
    alert_id: str
    evidence_id: str
    agent: str
    phase: str
    start_ns: int
    end_ns: int
    score: float
    threshold: float
    bundle_id: str
    spec_digest: str
    clock: str
    contributions: tuple[Contribution, ...]
    cleared_ns: int
    is_flight_over: bool

    @property
    def ratio(self) -> float:
        """Score over threshold."""
        return self.score / self.threshold if self.threshold > 0.0 else math.nan


def find_alert(cursor: duckdb.DuckDBPyConnection, alert_id: str) -> AlertDetail | None:
    """The alert of an id, if there is one."""
    found = records(cursor.execute(_ALERT, {"id": alert_id}), _detail)
    return found[0] if found else None


def _detail(*, contributions: list[Mapping[str, Any]], **fields: Any) -> AlertDetail:
    key = AlertKey(**{field: fields.pop(field) for field in AlertKey.__slots__})
    parts = tuple(Contribution(part["feature"], part["share"]) for part in contributions)
    return AlertDetail(key=key, contributions=parts, **fields)


def announced(cursor: duckdb.DuckDBPyConnection, evidence_id: str) -> Announced | None:
    """The waveform of an id, if its agent has announced one."""
    found = records(cursor.execute(_EVIDENCE, {"evidence": evidence_id}), Announced)
    return found[0] if found else None


def similar_alerts(
    cursor: duckdb.DuckDBPyConnection, alert: AlertDetail, *, most: int = SIMILAR
) -> tuple[Similar, ...]:
    """Alerts before this one that name the same features, most alike first."""
    asked = {"id": alert.alert_id, "end_ns": alert.end_ns, "most": most}
    return records(cursor.execute(_SIMILAR, asked), Similar)
