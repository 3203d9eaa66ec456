"""``MODEL_CARD.md``: what a detector is for, what was measured, what its thresholds promise, and what nobody knows yet.

The sections follow M. Mitchell et al., "Model cards for model reporting" (FAT*, 2019). Every number comes from the
evidence; what only people know is marked with ``TO_FILL``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge_agent.manifest import NEVER, RELEASE, Manifest
from edge_agent.thresholds import Thresholds
from ground.breakdown import ALL, NO_FAULT
from ground.commissioning_report import CommissioningReport
from ground.crossval import COMPLETE
from ground.evidence import Evidence
from ground.report import words
from ground.report.card_header import with_header
from ground.report.coverage_sentences import coverage_sentences
from ground.report.headline import contender_name, gate_bounds, gate_limit, gate_name, gate_observations, gate_value
from ground.report.limits_section import open_points

TO_FILL = "**To be filled by a person:**"
_ESCAPED = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;"})

Lines = Iterator[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCardInput:
    """What a card is made from.

    Attributes:
        manifest: The manifest of the bundle that the card goes into.
        evidence: What was measured.
    """

    manifest: Manifest
    evidence: Evidence


def model_card(about: ModelCardInput) -> str:
    """The card as Markdown with a head of YAML; the same input gives the same text."""
    manifest, found = about.manifest, about.evidence
    sections = (
        _identity(manifest, found),
        _use(manifest),
        _data(found),
        _gates(found),
        _measured(found),
        _breakdown(found),
        _thresholds(found),
        _folds(found),
        _limits(found),
        _origin(manifest, found),
        _sign_off(),
    )
    return with_header("\n\n".join("\n".join(section) for section in sections) + "\n", manifest, found)


def _identity(manifest: Manifest, evidence: Evidence) -> Lines:
    yield f"# {_plain(manifest.bundle_id)}"
    yield ""
    if manifest.release_class != RELEASE:
        yield "**Development bundle: no release. An agent runs it only where its own config allows that.**"
        yield ""
    yield from _table(
        ("", ""),
        (
            ("class", manifest.release_class),
            ("verdict of the gates below", evidence.verdict.verdict),
            ("model family", words.spaced(evidence.family)),
            ("engineering change request", manifest.ecr or "none"),
            ("part number", manifest.part_number or "none"),
            ("fleet", manifest.fleet),
            ("sequence", str(manifest.sequence)),
            ("epoch", str(manifest.epoch)),
            ("oldest agent", manifest.min_agent_version),
            ("last day of use", "none stated" if manifest.expires == NEVER else manifest.expires),
        ),
    )


def _use(manifest: Manifest) -> Lines:
    yield "## Intended use"
    yield ""
    yield f"Watches the vibration of engines of the fleet `{_plain(manifest.fleet)}` and raises an alert when a flight"
    yield "sounds unlike healthy ones. It advises; it commands nothing, and it does not name the fault. Where it cannot"
    yield "judge (sensor flat or clipped, samples missing, a change of phase within the window) it answers"
    yield "`not_assessed`, never `normal`."
    yield ""
    yield f"> {TO_FILL} engine types and sensor mountings it is approved for; who acts on an alert, and how."
    yield ""
    yield f"> {TO_FILL} uses that are excluded."


def _data(evidence: Evidence) -> Lines:
    yield "## Data"
    yield ""
    yield f"Dealt {words.spaced(evidence.split_strategy)}; nothing is shared between the roles, which is checked."
    yield ""
    yield from _table(
        ("role", "groups", "recordings", "windows that can be assessed"),
        ((role.role, f"{role.groups:,}", f"{role.recordings:,}", f"{role.windows:,}") for role in evidence.roles),
    )
    yield ""
    yield from _table(
        ("dataset", "recordings", "sha256"),
        ((dataset.name, f"{dataset.recordings:,}", dataset.digest) for dataset in evidence.datasets),
    )
    yield ""
    yield f"> {TO_FILL} where the recordings come from, when they were taken, who labelled them and how."


def _gates(evidence: Evidence) -> Lines:
    yield "## Gates"
    yield ""
    yield from _table(
        ("gate", "limit", "measured", "confidence bounds", "observations", "verdict"),
        (
            (
                gate_name(gate),
                gate_limit(gate),
                gate_value(gate, gate.point),
                gate_bounds(gate),
                gate_observations(gate),
                gate.verdict,
            )
            for gate in evidence.gates
        ),
    )
    for sentence in coverage_sentences(evidence):
        yield ""
        yield sentence


def _measured(evidence: Evidence) -> Lines:
    yield "## Measured on test flights, beside other scorers"
    yield ""
    yield from _table(
        ("scorer", "AUC", "precision", "recall", "false-alarm rate", "faulty flights found", "healthy flights alarmed",
         "false alarms an hour", "median delay"),
        (
            (
                f"{contender_name(one)} ({one.kind})",
                words.score(one.windows.auc),
                words.score(one.windows.precision),
                words.score(one.windows.recall),
                words.score(one.windows.false_alarm_rate),
                f"{one.flights.detected_flights} of {one.flights.faulty_flights}",
                f"{one.flights.alarmed_flights} of {one.flights.healthy_flights}",
                words.number(one.flights.false_alarms_per_hour),
                words.duration(one.flights.delay_median_s),
            )
            for one in evidence.contenders
        ),
    )  # fmt: skip
    yield ""
    yield "AUC, precision, recall and false-alarm rate count windows here, all alike; in the gates observations count,"
    yield "and of false alarms flights."
    yield ""
    yield "Latency is a matter of the machine and is measured anew by every evaluation: its 99th percentile may be"
    yield f"{evidence.latency_p99_max_ms:g} ms at most, or no bundle is made. What was measured lies outside of the"
    yield "bundle, in `evaluation/latency.json`."


def _breakdown(evidence: Evidence) -> Lines:
    yield "## By fault, all phases"
    yield ""
    yield from _table(
        ("fault", "observations", "windows", "share in alarm", "bounds", "AUC"),
        (
            (
                "all faults" if row.fault_type == ALL else words.spaced(row.fault_type),
                f"{row.groups:,}",
                f"{row.windows:,}",
                words.share(row.alarmed_share),
                f"{words.share(row.bounds.lower)} to {words.share(row.bounds.upper)}",
                "" if row.fault_type == NO_FAULT else words.score(row.auc),
            )
            for row in evidence.breakdown
            if row.phase == ALL
        ),
    )
    for sensor in evidence.sensor_faults:
        yield ""
        yield (
            f"{words.fault_name(sensor.fault_type).capitalize()}: {words.share(sensor.not_assessed)} of "
            f"{words.count(sensor.windows, 'window')} not assessed, {words.count(sensor.alarms, 'alarm')}."
        )


def _thresholds(evidence: Evidence) -> Lines:
    yield "## Thresholds and what they promise"
    yield ""
    for contender in evidence.contenders[:1]:
        yield from _promise(contender.thresholds)
        yield ""
        yield f"{contender.calibration.summary}."
        yield ""
        yield from _levels(contender.thresholds)
    if evidence.commissioning.digest:
        yield ""
        yield from _commissioning(evidence.commissioning)


def _commissioning(report: CommissioningReport) -> Lines:
    known, unknown = words.number(report.pooled), words.number(report.unknown_pooled)
    yield f"An agent learns the level of a unit that it does not know from {words.count(report.flights, 'flight')}"
    yield f"without an alarm. From then on its threshold is {known}; it is {unknown} for other units."
    yield f"{report.summary}. {words.count(report.known_units, 'unit')} of the training are known from the start."


def _promise(thresholds: Thresholds) -> Lines:
    yield f"An alarm begins when {thresholds.k} of the last {thresholds.n} assessed windows are above their threshold,"
    yield f"and ends when all {thresholds.n} are below {words.share(thresholds.release_ratio)} of it. Declared: at most"
    yield f"{words.share(thresholds.false_alarm_rate)} of healthy flights raise an alarm. Confidence reached:"
    yield f"{thresholds.confidence:.3f}. The promise holds for flights like those of the calibration only."


def _levels(thresholds: Thresholds) -> Lines:
    rows = [(words.spaced(phase), words.number(level)) for phase, level in sorted(thresholds.phases.items())]
    yield from _table(("phase", "threshold"), [*rows, ("any other", words.number(thresholds.pooled))])


def _folds(evidence: Evidence) -> Lines:
    validation = evidence.cross_validation
    yield "## Cross-validation"
    yield ""
    if validation.status != COMPLETE:
        yield f"Not run: {_plain(validation.reason) or 'no reason is recorded'}."
        return
    yield from _table(
        (words.count(len(validation.folds), "fold"), "mean", "standard deviation", "lowest", "highest"),
        (
            (name, *map(words.score, (spread.mean, spread.std, spread.lowest, spread.highest)))
            for name, spread in (
                ("AUC", validation.auc),
                ("recall", validation.recall),
                ("false-alarm rate", validation.false_alarm_rate),
            )
        ),
    )


def _limits(evidence: Evidence) -> Lines:
    yield "## Limits"
    yield ""
    yield from (f"- {_plain(point)}" for point in open_points(evidence.gates, evidence.verdict))
    yield "- Only the faults and phases in these tables were tested. Other sensors, mountings and speeds were not."
    yield ""
    yield f"> {TO_FILL} limits known from service and from engineering judgement."


def _origin(manifest: Manifest, evidence: Evidence) -> Lines:
    yield "## Origin"
    yield ""
    yield from _table(
        ("what", "sha256 or version"),
        (
            ("config", evidence.config_digest),
            ("feature spec", manifest.spec_digest),
            ("model.onnx", evidence.model_digest),
            ("scaler.json", evidence.scaler_digest),
            ("seed", str(evidence.seed)),
            ("largest relative difference of torch and onnxruntime", words.number(evidence.onnx_relative_error)),
            *sorted(evidence.versions.items()),
        ),
    )


def _sign_off() -> Lines:
    yield "## Sign-off"
    yield ""
    yield f"> {TO_FILL} prepared by, checked by, approved by, with dates."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_plain(cell) for cell in row)} |"


def _plain(text: str) -> str:
    """Text that neither breaks a table nor becomes HTML."""
    return text.translate(_ESCAPED)
