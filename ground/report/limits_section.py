"""The part of the page about what the run does not show: open gates, rare faults, the unseen."""

from __future__ import annotations

from ground import metrics
from ground.breakdown import ALL, NO_FAULT
from ground.config import Config
from ground.evidence import Evidence
from ground.gates import FAIL, INSUFFICIENT, PASS, Gate, RunVerdict
from ground.report import words
from ground.report.headline import gate_bounds, gate_limit, gate_name, gate_value
from ground.report.view import Section
from ground.run_evidence import RunEvidence

_FALSE_ALARM_RATE = "false_alarm_rate"


def limits_section(run: RunEvidence, config: Config) -> Section:
    """What failed, what is open, and what no run of this kind can show."""
    evidence, failed = run.evidence, run.verdict.verdict == FAIL
    return Section(
        key="limits",
        title="Why it failed, and what this run does not show" if failed else "What this run does not show",
        nav="Limits",
        points=(
            *open_points(run.gates, run.verdict),
            *_prevalence(evidence, config),
            *_rare_faults(evidence),
            *_unseen(evidence, config),
        ),
    )


def open_points(gates: tuple[Gate, ...], verdict: RunVerdict) -> tuple[str, ...]:
    """Gates that did not pass, and every other reason of the verdict, a sentence each."""
    of_gates = {gate.reason for gate in gates}
    others = [reason for reason in verdict.reasons if reason not in of_gates]
    return (*(_gate_point(gate) for gate in gates if gate.verdict != PASS), *others)


def _gate_point(gate: Gate) -> str:
    name = gate_name(gate)
    measured = (
        f"{name[:1].upper()}{name[1:]} is {gate_value(gate, gate.point)} (bounds {gate_bounds(gate)}, from "
        f"{words.count(gate.n, 'observation')}); the gate is {gate_limit(gate)}"
    )
    if gate.verdict == INSUFFICIENT:
        return (
            f"Undecided. {measured}. A flawless detector would need {words.count(gate.needed_n, 'observation')} to "
            "pass."
        )
    return f"Failed. {measured}."


def _prevalence(evidence: Evidence, config: Config) -> tuple[str, ...]:
    """What the gate on precision meant in this test: it is easier the more faulty flights there are."""
    groups = {row.fault_type: row.groups for row in evidence.breakdown if row.phase == ALL}
    faulty, healthy = groups.get(ALL, 0), groups.get(NO_FAULT, 0)
    if not faulty or not healthy:
        return ()
    found, meant = faulty / (faulty + healthy), config.gates.prevalence
    easier = "easier to reach than meant" if found > meant else "at least as hard to reach as meant"
    return (
        (
            f"Of the observations of this test {words.share(found)} are faulty, so its gate on precision was {easier}: "
            f"at {words.share(meant)} (gates.prevalence) the limits on recall and false alarms imply a precision of "
            f"{words.score(config.gates.implied_precision)}."
        ),
    )


def _rare_faults(evidence: Evidence) -> tuple[str, ...]:
    """Precision depends on how common faults are, and a test set has far more of them than service."""
    rates = [gate.bounds.upper for gate in evidence.gates if gate.name == _FALSE_ALARM_RATE]
    flights = [contender.flights for contender in evidence.contenders[:1]]
    if not rates or not flights or not flights[0].faulty_flights:
        return ()
    prevalence = flights[0].faulty_flights / (flights[0].faulty_flights + flights[0].healthy_flights)
    rarer = [share for share in metrics.PREVALENCES if share < prevalence]
    if not rarer:
        return ()
    parts = [
        f"{words.share(metrics.precision_at(flights[0].recall, rates[0], share))} where {share:.0%} are"
        for share in rarer
    ]
    return (
        (
            f"How often a flight with an alarm is faulty in service: {words.share(prevalence)} of the test flights "
            f"are, and in service far fewer. With as many faulty flights found, and a false-alarm rate at its upper "
            f"bound ({words.share(rates[0])}), it would be {words.listed(parts)}."
        ),
    )


def _unseen(evidence: Evidence, config: Config) -> tuple[str, ...]:
    faults = sorted({row.fault_type for row in evidence.breakdown} - {ALL, NO_FAULT})
    phases = sorted({row.phase for row in evidence.breakdown} - {ALL})
    tested = words.listed([words.spaced(name) for name in faults]) or "none"
    flown = words.listed([words.spaced(name) for name in phases]) or "none"
    conditions = words.listed([words.feature_name(name) for name in config.signal.conditions])
    unseen = (
        (
            f"Faults tested: {tested}. Phases tested: {flown}. Nothing here speaks for other faults, phases, sensors "
            "or mountings."
        ),
    )
    return (
        unseen
        if conditions
        else (*unseen, "The model is told no shaft speed, so a change of speed may look like a fault.")
    )
