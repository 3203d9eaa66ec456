"""The page about a run: one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from benchmarks.detection.contender import DEFAULT, FAMILY, PEER
from benchmarks.detection.document import Report
from benchmarks.detection.examination import Outcome
from benchmarks.detection.levels import RMS
from benchmarks.detection.numbers import OK, POOLED, Result
from benchmarks.detection.plots import curves_plot, promise_plot, strips_plot
from benchmarks.detection.protocols import FAULT_TYPE, LATER_TIME, RUN_TO_FAILURE
from benchmarks.detection.run import PROMISE, RigReport
from benchmarks.detection.tables import cells, percent, shown_rows, unmeasured_rows
from benchmarks.detection.trace import Strip
from ground.metrics import Curve

_MOST_STRIPS = 16
_WORST = 12


@dataclass(frozen=True, slots=True)
class FalseAlarmLine:
    """One of the worst false alarms, as text."""

    case: str
    recording: str
    at: str
    margin: str
    features: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its cells and whether it is the default's."""

    cells: tuple[str, ...]
    is_ours: bool


@dataclass(frozen=True, slots=True)
class RigSection:
    """What the page tells of one rig."""

    report: RigReport
    lines: tuple[Line, ...]
    figures: tuple[Markup, ...]
    worst: tuple[FalseAlarmLine, ...]
    unmeasured: tuple[str, ...]


def page_of(report: Report) -> str:
    """The page as HTML text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    return template.render(
        style=Markup(files("ground.report").joinpath("style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        report=report,
        promise=PROMISE,
        sections=[_section(report, rig) for rig in report.findings.rigs],
        targets=[(target, _text(target.value), _text(target.limit)) for target in report.targets],
        percent=percent,
    )


def _section(report: Report, rig: RigReport) -> RigSection:
    rows = [row for row in report.results if row.rig == rig.rig]
    outcomes = [outcome for outcome in report.findings.outcomes if outcome.task.rig == rig.rig]
    lines = tuple(Line(cells(row), row.kind == DEFAULT) for row in shown_rows(rows))
    return RigSection(rig, lines, _figures(rows, outcomes), _worst(outcomes), tuple(unmeasured_rows(rows)))


def _figures(rows: Sequence[Result], outcomes: Sequence[Outcome]) -> tuple[Markup, ...]:
    ours = [row for row in rows if row.kind == DEFAULT and row.status == OK and row.protocol != FAULT_TYPE]
    figures = []
    if shown := [row for row in ours if row.case != POOLED and row.healthy_assessed]:
        figures.append(promise_plot(shown))
    if curves := _curves(rows, outcomes):
        figures.append(curves_plot(curves))
    for protocol in (LATER_TIME, RUN_TO_FAILURE):
        figures += [strips_plot(strips)] if (strips := _strips(outcomes, protocol)) else []
    return tuple(Markup(figure) for figure in figures)  # noqa: S704 - SVG of ours; matplotlib escapes its text


def _curves(rows: Sequence[Result], outcomes: Sequence[Outcome]) -> list[tuple[str, Curve]]:
    """The default's, the best family's, the best peer's and plain RMS's."""
    later = [row for row in rows if row.protocol == LATER_TIME and not math.isnan(row.auc)]
    chosen = [row.contender for row in later if row.kind == DEFAULT]
    for kind in (FAMILY, PEER):
        chosen += (
            [max((row for row in later if row.kind == kind), key=lambda row: row.auc).contender]
            if any(row.kind == kind for row in later)
            else []
        )
    chosen += [row.contender for row in later if row.contender == RMS]
    by_name = {outcome.task.contender: outcome for outcome in outcomes if outcome.protocol == LATER_TIME}
    return [(name, by_name[name].trace.curve) for name in chosen if len(by_name[name].trace.curve.x)]


def _strips(outcomes: Sequence[Outcome], protocol: str) -> list[Strip]:
    found = [
        strip
        for outcome in outcomes
        if outcome.kind == DEFAULT and outcome.protocol == protocol
        for strip in outcome.trace.strips
        if len(strip.time_s)
    ]
    return found[:_MOST_STRIPS]


def _worst(outcomes: Sequence[Outcome]) -> tuple[FalseAlarmLine, ...]:
    found = [(alarm, outcome) for outcome in outcomes if outcome.kind == DEFAULT for alarm in outcome.trace.worst]
    found.sort(key=lambda pair: -pair[0].margin)
    return tuple(
        FalseAlarmLine(
            case=f"{outcome.protocol.replace('_', ' ')} {outcome.case}".rstrip(),
            recording=alarm.recording_id,
            at=f"{alarm.time_s:,.1f} s",
            margin=f"{alarm.margin:.3g}",
            features=", ".join(f"{name} {z:+.1f} sd" for name, z in alarm.features),
        )
        for alarm, outcome in found[:_WORST]
    )


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
