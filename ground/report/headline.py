"""The top of the page: the verdict in one sentence, the numbers that matter most, and the gates."""

from __future__ import annotations

import math

from ground.evidence import BASELINE, ContenderEvidence, Evidence
from ground.gates import FAIL, INSUFFICIENT, Gate
from ground.report import words
from ground.report.coverage_sentences import coverage_sentences
from ground.report.view import GateLine, RangeBar, Tile
from ground.run_evidence import RunEvidence, release_class_of
from ground.splits import BY_TIME

_SECONDS_AN_HOUR = 3600.0
NO_BUNDLE = "no bundle"
_GATE_NAMES = {"auc": "AUC", "false_alarm_rate": "false-alarm rate", "latency_p99": "latency, p99"}
_LATENCY_SCALE = 1.5
"""The limit of a gate that is no share lies at two thirds of its scale."""


def release_class(run: RunEvidence) -> str:
    """What may be made of this evidence: a ``release`` bundle, a ``development`` bundle, or none."""
    return NO_BUNDLE if run.verdict.verdict == FAIL else release_class_of(run)[0]


def meaning(run: RunEvidence) -> str:
    """The verdict in a sentence or two."""
    verdict, ecr = run.verdict.verdict, run.evidence.ecr
    failed = words.count(sum(gate.verdict == FAIL for gate in run.gates), "gate")
    undecided = sum(gate.verdict == INSUFFICIENT for gate in run.gates)
    only_in_tests = "The bundle is marked development: an agent runs it only where its own config allows that."
    if verdict == FAIL:
        return f"{failed} failed, so no bundle is made. The reasons stand at the end of this page."
    if verdict == INSUFFICIENT:
        what = f"{words.count(undecided, 'gate')} cannot be decided" if undecided else "the evidence is too thin"
        return f"No gate failed, but with the recordings at hand {what}. {only_in_tests}"
    reached = "Every gate is reached even at the unfavourable end of its confidence bounds"
    if not ecr:
        return f"{reached}, but no Engineering Change Request covers the config. {only_in_tests}"
    return f"{reached}: the detector may be released under {ecr}."


def tiles(evidence: Evidence, latency: Tile) -> tuple[Tile, ...]:
    """The headline's numbers; none without a shipped detector."""
    if not evidence.contenders:
        return (latency,)
    shipped = evidence.contenders[0]
    flights = shipped.flights
    return (
        Tile(words.score(shipped.windows.auc), "AUC", _beside(evidence.contenders[1:])),
        Tile(
            f"{flights.detected_flights} of {flights.faulty_flights}",
            "faulty test flights found",
            f"lower bound {words.share(flights.recall_bounds.lower)}",
        ),
        Tile(
            f"{flights.alarmed_flights} of {flights.healthy_flights}",
            "healthy test flights with an alarm",
            f"upper bound {words.share(flights.alarmed_bounds.upper)}"
            if flights.healthy_flights
            else "no test flight is healthy throughout",
        ),
        Tile(
            words.number(flights.false_alarms_per_hour),
            "false alarms per hour",
            f"in {words.duration(_SECONDS_AN_HOUR * flights.healthy_hours)} of healthy time",
        ),
        Tile(
            words.duration(flights.delay_median_s),
            "median detection delay",
            f"90 % within {words.duration(flights.delay_p90_s)}",
        ),
        latency,
    )


def gate_lines(gates: tuple[Gate, ...]) -> tuple[GateLine, ...]:
    """The rows of the table of gates."""
    return tuple(_gate_line(gate) for gate in gates)


def gates_sentence(evidence: Evidence) -> str:
    """What counts as one observation, and what was heard at all."""
    unit = "the healthy or faulty part of a recording" if evidence.split_strategy == BY_TIME else "a unit (an engine)"
    observation = (
        f"Windows of one flight resemble each other, so {unit} counts as one observation, however many windows it has; "
        "latency counts by window. In the AUC each weighs alike. Precision and recall are shares of the windows within "
        "it: one alarm finds a flight, however many of its faulty windows have none. The false-alarm rate is the share "
        "of its flights with a false alarm, however short. A gate passes only when its confidence bound reaches the "
        "limit."
    )
    return " ".join((observation, *coverage_sentences(evidence)))


def contender_name(contender: ContenderEvidence) -> str:
    """A scorer as people call it."""
    return "plain RMS" if contender.kind == BASELINE and contender.name == "rms" else words.spaced(contender.name)


def gate_name(gate: Gate) -> str:
    """A gate as people call it."""
    return _GATE_NAMES.get(gate.name, words.spaced(gate.name))


def gate_value(gate: Gate, value: float) -> str:
    """A value of a gate with its unit."""
    if gate.unit != "1":
        return f"{words.number(value)} {gate.unit}" if math.isfinite(value) else words.NOTHING
    return words.score(value)


def gate_limit(gate: Gate) -> str:
    """The limit with its direction."""
    return f"{'at least' if gate.higher_is_better else 'at most'} {gate_value(gate, gate.limit)}"


def gate_bounds(gate: Gate) -> str:
    """Both bounds; an unknown one is said to be open."""
    low, high = gate.bounds.lower, gate.bounds.upper
    if math.isfinite(low) and math.isfinite(high):
        unit = "" if gate.unit == "1" else f" {gate.unit}"
        show = words.score if gate.unit == "1" else words.number
        return f"{show(low)} to {show(high)}{unit}"
    return f"from {gate_value(gate, low)}, open above" if math.isfinite(low) else words.NOTHING


def gate_observations(gate: Gate) -> str:
    """How many there are, and how many a flawless detector needs where there are fewer."""
    return f"{gate.n:,} of {gate.needed_n:,} needed" if gate.n < gate.needed_n else f"{gate.n:,}"


def _beside(others: tuple[ContenderEvidence, ...]) -> str:
    named = [f"{contender_name(other)} {words.score(other.windows.auc)}" for other in others]
    return ", ".join(named) or "nothing to compare with"


def _gate_line(gate: Gate) -> GateLine:
    return GateLine(
        name=gate_name(gate),
        limit=gate_limit(gate),
        point=gate_value(gate, gate.point),
        bounds=gate_bounds(gate),
        n=gate_observations(gate),
        verdict=gate.verdict,
        bars=_bars(gate),
    )


def _bars(gate: Gate) -> tuple[RangeBar, ...]:
    if not math.isfinite(gate.point):
        return ()
    full = 1.0 if gate.unit == "1" else _LATENCY_SCALE * gate.limit

    def place(value: float, otherwise: float) -> float:
        known = value if math.isfinite(value) else otherwise
        return round(100.0 * min(max(known / full, 0.0), 1.0), 2)

    return (
        RangeBar(
            lower=place(gate.bounds.lower, 0.0),
            upper=place(gate.bounds.upper, full),
            point=place(gate.point, 0.0),
            limit=place(gate.limit, 0.0),
        ),
    )
