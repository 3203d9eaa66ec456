"""Two registered versions side by side: what was measured of each, how sure that is, and what they were made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from edge_agent.archive import read_archive
from edge_agent.layout import METRICS, THRESHOLDS
from edge_agent.strict_json import parse_json
from edge_agent.thresholds import Thresholds
from ground.evidence import Evidence, plain
from ground.evidence_schema import BEFORE
from ground.evidence_schema import SCHEMA as EVIDENCE_SCHEMA
from ground.fleet.registry.history import RegisteredVersion
from ground.gates import RunVerdict
from ground.intervals import Bounds
from ground.report.evidence_file import record_of

SCHEMA: Final = 1
POOLED: Final = "pooled"
_NO_BOUNDS: Final = Bounds(math.nan, math.nan)
_UNDECIDED: Final = RunVerdict("", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number of one version; NaN where it has none.

    Attributes:
        point: The estimate.
        bounds: One-sided bounds of it; NaN where there are none.
        n: Independent observations behind it; 0 where that is not known.
        verdict: Of its gate; empty where none decides.
    """

    point: float = math.nan
    bounds: Bounds = _NO_BOUNDS
    n: int = 0
    verdict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of both.

    Attributes:
        name: What was measured.
        unit: Its unit; ``1`` for shares.
        before: Of the one.
        after: Of the other.
    """

    name: str
    unit: str
    before: Measured
    after: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of both, as text.

    Attributes:
        name: What.
        before: Of the one.
        after: Of the other.
    """

    name: str
    before: str
    after: str

    @property
    def is_same(self) -> bool:
        """Whether they agree."""
        return self.before == self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison.

    Attributes:
        before: Name of the one.
        after: Name of the other.
        measures: Gates first, then flights, then how much was assessed.
        thresholds: By phase, ``POOLED`` first, in units of the score.
        facts: What they are and were made from, digests among them.
        notes: What is left empty, and why.
    """

    before: str
    after: str
    measures: tuple[Row, ...]
    thresholds: tuple[Row, ...]
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The comparison as JSON types; what is not known is null."""
        facts = [{**asdict(each), "same": each.is_same} for each in self.facts]
        parts = {"before": self.before, "after": self.after, "measures": self.measures, "thresholds": self.thresholds}
        return {"schema": SCHEMA, **plain(parts), "facts": facts, "notes": list(self.notes)}


def compare(before: RegisteredVersion, one: bytes, after: RegisteredVersion, other: bytes) -> Comparison:
    """Compare two versions.

    Args:
        before: The one.
        one: Its bundle, verified.
        after: The other.
        other: Its bundle.

    Raises:
        DataError: The metrics of one are of another schema.
    """
    sides = (_side(before, one), _side(after, other))
    return Comparison(
        before=before.subject.name,
        after=after.subject.name,
        measures=_measures(*(each.evidence for each in sides)),
        thresholds=_levels(*(each.thresholds for each in sides)),
        facts=_facts(*sides),
        notes=tuple(_note(each) for each in sides if each.schema != EVIDENCE_SCHEMA),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    version: RegisteredVersion
    schema: int
    evidence: Evidence
    thresholds: Thresholds


def _side(version: RegisteredVersion, bundle: bytes) -> _Side:
    members = read_archive(bundle)
    metrics, thresholds = (f"{version.subject.name}: {name}" for name in (METRICS, THRESHOLDS))
    document = parse_json(members[METRICS], where=metrics)
    evidence = record_of(Evidence, document, where=metrics, schemas=(EVIDENCE_SCHEMA, BEFORE))
    schema = document["schema"]
    return _Side(
        version,
        schema,
        evidence if schema == EVIDENCE_SCHEMA else replace(evidence, gates=(), verdict=_UNDECIDED),
        Thresholds.from_document(parse_json(members[THRESHOLDS], where=thresholds)),
    )


def _note(side: _Side) -> str:
    return (
        f"{side.version.subject.name}: its evidence is of schema {side.schema}, today's is {EVIDENCE_SCHEMA}: gates "
        "and verdict are left out, since they measured something else, and its healthy flights include those too short "
        "for an alarm; evaluate it again to compare them"
    )


def _measures(one: Evidence, other: Evidence) -> tuple[Row, ...]:
    return tuple(row for part in (_gates, _flights, _coverage) for row in _rows(part(one), part(other)))


def _rows(one: Mapping[tuple[str, str], Measured], other: Mapping[tuple[str, str], Measured]) -> tuple[Row, ...]:
    """Rows of all names of both, by name and unit."""
    return tuple(
        Row(name=name, unit=unit, before=one.get((name, unit), Measured()), after=other.get((name, unit), Measured()))
        for name, unit in {**one, **other}
    )


def _gates(evidence: Evidence) -> dict[tuple[str, str], Measured]:
    return {
        (each.name, each.unit): Measured(point=each.point, bounds=each.bounds, n=each.n, verdict=each.verdict)
        for each in evidence.gates
    }


def _flights(evidence: Evidence) -> dict[tuple[str, str], Measured]:
    if not evidence.contenders:
        return {}
    flights = evidence.contenders[0].flights
    return {
        ("faulty_flights_found", "1"): Measured(
            point=flights.recall, bounds=flights.recall_bounds, n=flights.faulty_flights
        ),
        ("healthy_flights_alarmed", "1"): Measured(
            point=flights.alarmed_share, bounds=flights.alarmed_bounds, n=flights.healthy_flights
        ),
        ("false_alarms", "1/h"): Measured(point=flights.false_alarms_per_hour),
        ("delay_median", "s"): Measured(point=flights.delay_median_s, n=flights.detected_flights),
        ("delay_max", "s"): Measured(point=flights.delay_max_s, n=flights.detected_flights),
    }


def _coverage(evidence: Evidence) -> dict[tuple[str, str], Measured]:
    """None for evidence of before these were counted."""
    parts = {"healthy": evidence.coverage.healthy, "faulty": evidence.coverage.faulty}
    return {
        (f"{label}_windows_assessed", "1"): Measured(point=part.share) for label, part in parts.items() if part.examined
    }


def _levels(one: Thresholds, other: Thresholds) -> tuple[Row, ...]:
    phases = sorted({*one.phases, *other.phases})
    levels = [(POOLED, one.pooled, other.pooled), *((phase, one.of(phase), other.of(phase)) for phase in phases)]
    return tuple(
        Row(name=phase, unit="score", before=Measured(point=before), after=Measured(point=after))
        for phase, before, after in levels
    )


def _facts(one: _Side, other: _Side) -> tuple[Fact, ...]:
    before, after = _facts_of(one), _facts_of(other)
    return tuple(
        Fact(name=name, before=before.get(name, ""), after=after.get(name, "")) for name in {**before, **after}
    )


def _facts_of(side: _Side) -> dict[str, str]:
    subject, evidence, thresholds = side.version.subject, side.evidence, side.thresholds
    return {
        "state": side.version.state.value,
        "fleet": subject.fleet,
        "release_class": subject.release_class,
        "epoch": str(subject.epoch),
        "sequence": str(subject.sequence),
        "digest": subject.digest,
        "verdict": evidence.verdict.verdict,
        "ecr": evidence.ecr,
        "family": evidence.family,
        "seed": str(evidence.seed),
        "feature_spec": subject.spec_digest,
        "config": evidence.config_digest,
        "model": evidence.model_digest,
        "split": evidence.split_strategy,
        "persistence": f"{thresholds.k} of {thresholds.n}",
        "declared_false_alarm_rate": f"{thresholds.false_alarm_rate:g} at {thresholds.confidence:g}",
        **{f"dataset {each.name}": f"{each.recordings} recordings {each.digest}" for each in evidence.datasets},
    }
