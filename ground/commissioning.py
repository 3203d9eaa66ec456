"""Learning what an agent may learn of a new unit: the policy that a bundle carries, or why it carries none.

Limits come from how much units of the fit differ, thresholds of known units from rehearsals: the units of the
calibration, which the detector has never heard, are commissioned by the agent's own code, and their later flights set
the threshold as they would set that of any detector (``ground.calibrate``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.commissioning_policy import CommissioningPolicy, KnownUnit, PhaseThreshold
from ground.calibrate import calibrate
from ground.calibration_report import CalibrationReport
from ground.commissioning_rehearsal import RehearsedFlight, UnknownUnits, flights_in_order, rehearse_unit
from ground.commissioning_report import CommissioningReport, StageNumbers
from ground.config import DecisionConfig
from ground.flights import FlightScores
from ground.row_groups import rows_by_name
from ground.splits import CALIBRATION, FIT, HEALTHY, TEST, VALIDATION, is_sensor_fault
from ground.units import FEWEST_WINDOWS
from ground.window_table import WindowTable

FEWEST_UNITS = 16
"""Units of the fit, and of the calibration: of fewer, neither their spread nor their worst is known."""
LIMIT_SPREADS = 3.0
"""Largest shift, in standard deviations between units: a unit further out is not of the kind that was learned."""
SPAN_SHARE = 0.5
"""Share of the operating range, as the narrowest unit of the calibration flew it, that commissioning must have seen."""


@dataclass(frozen=True, slots=True)
class CommissioningOutcome:
    """The content of ``commissioning.json``, empty where there is none, and the report."""

    policy_json: bytes
    report: CommissioningReport


def learn_policy(
    table: WindowTable, detector: UnknownUnits, decision: DecisionConfig, unknown: CalibrationReport,
    engines: Mapping[str, str], *, seed: int,
) -> CommissioningOutcome:  # fmt: skip
    """Learn the policy.

    Args:
        table: Every window with its role, in physical units; ``reason`` says which lie outside the operating domain.
        detector: The detector that ships.
        decision: Persistence, what is promised, and how many flights to learn from.
        unknown: How the threshold of unknown units came about.
        engines: ``aircraft/engine`` by unit, of those whose place is unmistakable.
        seed: As for ``calibrate``.

    Raises:
        CalibrationError: Healthy flights score nothing.
    """
    if not decision.commissioning_flights:
        return _none("decision.commissioning_flights is 0")
    fit, calibration = (_units(table, roles, healthy=True) for roles in ((FIT, VALIDATION), (CALIBRATION,)))
    levels = {unit: unit_level(part, detector) for unit, part in fit.items() if len(part.rows) >= FEWEST_WINDOWS}
    flying = {unit: part for unit, part in calibration.items() if _flies_on(part, decision)}
    if set(fit) & set(calibration):
        return _none(
            "expected units that are either fitted to or calibrated on, got some in both: split.strategy by_unit"
        )
    if min(len(levels), len(flying)) < FEWEST_UNITS:
        return _none(
            f"expected {FEWEST_UNITS} units of the fit and as many of the calibration with more than "
            f"{decision.commissioning_flights} flights, got {len(levels)} and {len(flying)}"
        )
    draft = draft_policy(detector, decision, levels, flying)
    rehearsed = [rehearse_unit(part, draft, detector) for part in flying.values()]
    later = [flight.scores for unit in rehearsed for flight in unit.flights if flight.is_known]
    completed = len({flight.group for flight in later})
    if completed < FEWEST_UNITS:
        return _none(f"expected {FEWEST_UNITS} units that become known in rehearsal, got {completed}")
    own = [flight for unit, part in fit.items() if unit in levels for flight in _centred(part, levels[unit], detector)]
    found = calibrate(own, later, decision, seed=seed)
    if found.report.insufficient_flights and not unknown.insufficient_flights:
        return _none(f"known units: {found.report.summary}; the bundle would promise less of them than of others")
    policy = replace(
        draft,
        pooled=found.thresholds.pooled,
        phases=tuple(PhaseThreshold(phase=name, threshold=each) for name, each in found.thresholds.phases.items()),
        confidence=found.thresholds.confidence,
        known=_known(draft, {**fit, **calibration}, detector, engines),
    )
    flown = _flown(table, policy, detector)
    report = CommissioningReport(
        refusal="",
        limit_units=len(levels),
        rehearsed_units=len(rehearsed),
        completed_units=completed,
        unknown_pooled=detector.thresholds.pooled,
        summary=found.report.summary,
        commissioning=_examined(flown, is_known=False),
        known=_examined(flown, is_known=True),
    )
    return _outcome(policy, report)


def _outcome(policy: CommissioningPolicy, report: CommissioningReport) -> CommissioningOutcome:
    content = policy.to_json()
    full = replace(
        report,
        digest=hashlib.sha256(content).hexdigest(),
        flights=policy.flights,
        known_units=len(policy.known),
        pooled=policy.pooled,
    )
    return CommissioningOutcome(content, full)


def _none(refusal: str) -> CommissioningOutcome:
    return CommissioningOutcome(b"", CommissioningReport(refusal=refusal))


def _units(table: WindowTable, roles: tuple[str, ...], *, healthy: bool) -> dict[str, WindowTable]:
    """The assessed windows of each unit of these roles that are labelled so, in the order of the table."""
    rows = table.rows
    chosen = rows["role"].isin(roles).to_numpy() & (rows["reason"] == "").to_numpy() & ~is_sensor_fault(rows)
    if healthy:
        chosen &= (rows["label"] == HEALTHY).to_numpy()
    return {
        unit: WindowTable(rows.iloc[found].reset_index(drop=True), table.values[found])
        for unit, found in rows_by_name(rows["unit_id"].to_numpy(dtype=str), chosen).items()
    }


def _flies_on(part: WindowTable, decision: DecisionConfig) -> bool:
    return int(part.rows["recording_id"].nunique()) > decision.commissioning_flights


def unit_level(part: WindowTable, detector: UnknownUnits) -> NDArray[np.float64]:
    """(n_feature,) what a unit lies above the expectation, as an agent learns it: median of its flights' medians."""
    rest = detector.expected.residual(detector.scaler.transform(part.values), detector.n_condition)
    names = part.rows["recording_id"].to_numpy(dtype=str)
    return np.asarray(np.median([np.median(rest[names == name], axis=0) for name in np.unique(names)], axis=0))


def draft_policy(
    detector: UnknownUnits, decision: DecisionConfig,
    levels: Mapping[str, NDArray[np.float64]], flying: Mapping[str, WindowTable],
) -> CommissioningPolicy:  # fmt: skip
    """The policy but for the thresholds of known units, which its rehearsals set."""
    n_condition = detector.n_condition
    limits = LIMIT_SPREADS * np.sqrt(np.mean(np.square(list(levels.values())), axis=0))
    ranges = np.array([_range(part, decision.commissioning_flights, n_condition) for part in flying.values()])
    return CommissioningPolicy(
        flights=decision.commissioning_flights,
        windows=FEWEST_WINDOWS,
        spans=tuple((SPAN_SHARE * ranges.min(axis=0)).tolist()),
        limits=tuple(limits.tolist()),
        expected=detector.expected,
        pooled=detector.thresholds.pooled,
        phases=(),
        confidence=detector.thresholds.confidence,
        units=len(levels),
        known=(),
    )


def _range(part: WindowTable, flights: int, n_condition: int) -> NDArray[np.float64]:
    """(n_condition,) range of each operating condition in the first flights."""
    first = part.rows["recording_id"].isin(flights_in_order(part.rows)[:flights]).to_numpy()
    conditions = part.values[first][:, part.values.shape[1] - n_condition :].astype(np.float64)
    return np.asarray(conditions.max(axis=0) - conditions.min(axis=0))


def _centred(part: WindowTable, level: NDArray[np.float64], detector: UnknownUnits) -> list[FlightScores]:
    """The flights of a unit with its own level taken away."""
    names = part.rows["recording_id"].to_numpy(dtype=str)
    phases = part.rows["phase"].to_numpy(dtype=str)
    scores = detector.score(detector.scaler.without(part.values, level))
    unit = str(part.rows["unit_id"].iloc[0])
    return [
        FlightScores(group=unit, phases=phases[names == name], scores=scores[names == name])
        for name in np.unique(names)
    ]


def _known(
    draft: CommissioningPolicy, units: Mapping[str, WindowTable], detector: UnknownUnits, engines: Mapping[str, str]
) -> tuple[KnownUnit, ...]:
    """Units of the training with as much healthy time as commissioning asks for."""
    limits = np.array(draft.limits)
    known = []
    for unit, part in units.items():
        if unit in engines and part.rows["recording_id"].nunique() >= draft.flights:
            shift = np.clip(unit_level(part, detector), -limits, limits)
            known.append(KnownUnit(engine=engines[unit], shift=tuple(shift.tolist())))
    return tuple(sorted(known, key=lambda each: each.engine))


@dataclass(frozen=True, slots=True)
class _ExaminedUnit:
    """A unit of the test, which nobody has learned from, and its flights."""

    is_healthy: bool
    flights: tuple[RehearsedFlight, ...]


def _flown(table: WindowTable, policy: CommissioningPolicy, detector: UnknownUnits) -> list[_ExaminedUnit]:
    unnamed = replace(policy, known=())
    return [
        _ExaminedUnit(
            is_healthy=bool((part.rows["label"] == HEALTHY).all()),
            flights=rehearse_unit(part, unnamed, detector).flights,
        )
        for part in _units(table, (TEST,), healthy=False).values()
    ]


def _examined(units: Sequence[_ExaminedUnit], *, is_known: bool) -> StageNumbers:
    """What the policy does to them in one stage."""
    sound, faulty = (
        [
            flight.is_alarmed
            for unit in units
            if unit.is_healthy == is_healthy
            for flight in unit.flights
            if flight.is_known == is_known
        ]
        for is_healthy in (True, False)
    )
    return StageNumbers(
        healthy_flights=len(sound),
        healthy_alarms=sum(sound),
        faulty_flights=len(faulty),
        faulty_alarms=sum(faulty),
    )
