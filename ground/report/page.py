"""The page about a run: one HTML file that needs nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_agent.layout import METRICS
from ground.config import Config
from ground.errors import DataError, GroundError
from ground.evidence import Evidence
from ground.feature_spec import frozen_spec
from ground.report import words
from ground.report.alert_causes import causes, circumstances, contribution_lines
from ground.report.alert_spectrum import alert_spectrum
from ground.report.alerts import Alert, Archive, first_alerts, told
from ground.report.answers import Flight, Stream, read_scores, read_stream
from ground.report.breakdown_section import breakdown_section
from ground.report.certainty_section import certainty_section
from ground.report.contenders_section import contenders_section
from ground.report.data_section import data_section
from ground.report.events import events_of
from ground.report.evidence_file import read_run
from ground.report.flights_section import KEY, flights_section
from ground.report.headline import gate_lines, gates_sentence, meaning, release_class, tiles
from ground.report.latency_section import latency_section, latency_tile
from ground.report.library import RecordingLibrary, WindowLibrary
from ground.report.limits_section import limits_section
from ground.report.rendering import render_page
from ground.report.view import Absent, AlertStory, ContributionLine, Figure, Page, Section
from ground.report.worst import mistakes_sentence, worst_mistakes
from ground.run_evidence import RunEvidence
from ground.window_table import WINDOWS
from ground.workspace import LATENCY, SCORES, STREAM, Workspace, write_atomic

REPORT_NAME = "report.json"
_NOTHING_STREAMED = Stream(
    flights=(), latency_ms=np.zeros(0), deadlines_missed=0, trained_on=0, bundle_id="", bundle_digest="", spec_digest=""
)


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers that the page tells about, where they come from, and the evaluation's about all test flights."""

    stream: Stream
    flights: tuple[Flight, ...]
    examined: tuple[Flight, ...]
    missing: str


def write_page(workspace: Workspace, config: Config, *, out: Path) -> Path:
    """Write the page about the last evaluation and, where there is one, the last stream.

    Args:
        workspace: Holds ``evaluation/metrics.json``; all else is optional, and the page says what is missing.
        config: The config of the run.
        out: The HTML file to write.

    Returns:
        ``out``.

    Raises:
        DataError: Not evaluated yet, or with another config, or a file of the evaluation is damaged.
    """
    run = read_run(workspace)
    evidence = run.evidence
    if evidence.config_digest != config.digest:
        raise DataError(
            f"{workspace.evaluation / METRICS}: expected the evaluation of config {words.digest(config.digest)}, got "
            f"that of {words.digest(evidence.config_digest)}; run `ground evaluate` again"
        )
    page = make_page(workspace, config, run)
    write_atomic(out, render(page).encode())
    return out


def make_page(workspace: Workspace, config: Config, run: RunEvidence) -> Page:
    """Everything that the page shows, ready to print; see ``write_page``."""
    answers = _read_answers(workspace)
    evidence, timed = run.evidence, run.latency.numbers
    stream, budget_ms = answers.stream, config.gates.latency_p99_max_ms
    alerts, mistakes = first_alerts(answers.flights), worst_mistakes(answers.examined)
    stories = _stories((*alerts, *(mistake.moment for mistake in mistakes)), workspace, config)
    return Page(
        detector=config.detector,
        subtitle=f"{words.spaced(evidence.family)}, {config.ecr or 'no change request'}, config "
        f"{words.digest(config.digest)}",
        verdict=run.verdict.verdict,
        release_class=release_class(run),
        meaning=meaning(run),
        tiles=tiles(evidence, latency_tile(timed, stream.latency_ms, budget_ms=budget_ms)),
        gates_sentence=gates_sentence(evidence),
        gates=gate_lines(run.gates),
        gates_note=_gates_note(config),
        flights=_flights(answers),
        alerts_sentence=_alerts_sentence(alerts),
        alerts=stories[: len(alerts)],
        mistakes_sentence=mistakes_sentence(answers.examined, mistakes),
        mistakes=tuple(
            replace(story, title=mistake.title) for story, mistake in zip(stories[len(alerts) :], mistakes, strict=True)
        ),
        sections=(
            contenders_section(evidence),
            breakdown_section(evidence, answers.flights),
            latency_section(timed, stream.latency_ms, deadlines_missed=stream.deadlines_missed, budget_ms=budget_ms),
            certainty_section(evidence, config),
            data_section(evidence, workspace.interim / REPORT_NAME),
            limits_section(run, config),
        ),
        origin=_origin(workspace, evidence, stream),
    )


def render(page: Page) -> str:
    """The page as HTML; every text is escaped."""
    return render_page("page.html", page)


def _read_answers(workspace: Workspace) -> _Answers:
    """The stream where there is one, else the replayed test flights, else the reason why there are none."""
    stream_path, scores_path = workspace.evaluation / STREAM, workspace.evaluation / SCORES
    examined = read_scores(scores_path) if scores_path.is_file() else ()
    if stream_path.is_file():
        stream = read_stream(stream_path)
        return _Answers(stream, stream.flights, examined or stream.flights, "")
    if examined:
        return _Answers(_NOTHING_STREAMED, examined, examined, "")
    return _Answers(
        _NOTHING_STREAMED, (), (), f"No scores over time: neither {STREAM} nor {SCORES} is in this workspace."
    )


def _flights(answers: _Answers) -> Section:
    if not answers.flights:
        return Section(key=KEY, title="Flights", figures=(Absent(answers.missing),))
    return flights_section(
        answers.flights,
        events_of(answers.flights),
        streamed=bool(answers.stream.flights),
        trained_on=answers.stream.trained_on,
    )


def _stories(alerts: tuple[Alert, ...], workspace: Workspace, config: Config) -> tuple[AlertStory, ...]:
    try:
        archive = _archive(workspace, config)
    except GroundError as error:
        absent = Absent(f"No spectrum and no measured values: {told(error, workspace.root)}")
        return tuple(_story(alert, (), absent) for alert in alerts)
    return tuple(_story(alert, contribution_lines(alert, archive), alert_spectrum(alert, archive)) for alert in alerts)


def _story(alert: Alert, lines: tuple[ContributionLine, ...], spectrum: Figure) -> AlertStory:
    title = alert.kind[0].upper() + alert.kind[1:]
    return AlertStory(title=title, sentences=(circumstances(alert), causes(alert)), lines=lines, spectrum=spectrum)


def _archive(workspace: Workspace, config: Config) -> Archive:
    spec = frozen_spec(config, workspace)
    return Archive(
        workspace.root, spec, RecordingLibrary(workspace.interim), WindowLibrary(workspace.features / WINDOWS, spec)
    )


def _alerts_sentence(alerts: tuple[Alert, ...]) -> str:
    if not alerts:
        return "No alert was raised in these flights, so there is none to explain."
    return (
        "The first alert of each kind, in the order of time; a false alarm, where there is one, comes last. The "
        "rule alone has chosen them."
    )


def _gates_note(config: Config) -> str:
    return (
        f"On its scale: the line is the limit, the dot the estimate, the bar its bounds, each one-sided at confidence "
        f"{config.gates.confidence:g}. PASS: the unfavourable bound reaches the limit. FAIL: the favourable bound "
        "misses it, or the estimate does although there were observations enough. INSUFFICIENT: anything else, too "
        "few to decide."
    )


def _origin(workspace: Workspace, evidence: Evidence, stream: Stream) -> str:
    names = (METRICS, LATENCY, SCORES, STREAM)
    paths = [workspace.evaluation / name for name in names]
    read = [f"{path.name} {words.digest(_sha256(path))}" for path in paths if path.is_file()]
    parts = [
        f"Every number on this page is read from {words.listed(read)} (sha256)",
        f"config {words.digest(evidence.config_digest)}, feature spec {words.digest(evidence.spec_digest)}",
        f"model {words.digest(evidence.model_digest)}, seed {evidence.seed}",
        *((f"bundle {stream.bundle_id} {words.digest(stream.bundle_digest)}",) if stream.bundle_id else ()),
        words.listed([f"{name} {version}" for name, version in sorted(evidence.versions.items())]),
    ]
    return "; ".join(part for part in parts if part) + "."


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
