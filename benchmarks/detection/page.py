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
from benchmarks.detection.numbers import KEPT, OK, POOLED, Result
from benchmarks.detection.plots import curves_plot, promise_plot, strips_plot
from benchmarks.detection.protocols import FAULT_TYPE, LATER_TIME, RUN_TO_FAILURE
from benchmarks.detection.run import PROMISE, RigReport
from benchmarks.detection.tables import COLUMNS, TEXT_COLUMNS, cells, percent, shown_rows, unmeasured_rows
from benchmarks.detection.trace import Strip
from ground.metrics import Curve

_BELOW = {"95 % interval": "false alarms"}
"""Columns that stand in another one's cells: the table must fit on a screen."""
_PROMISE_READING = (
    "Dot: share of assessed healthy windows in alarm. Line: its exact 95 % interval; pale band, where there are blocks "
    "enough: that by blocks of time. Dashed: what was declared. Orange: the promise is missed. Rates below 0.1 % are "
    "drawn at 0.1 %."
)
_CURVES_READING = (
    "How many faulty windows are above a level that so many healthy ones are above, too; the nearer to the top left, "
    "the better. The default, the best of our other families, the best peer, and plain RMS."
)
_STRIPS_READING = (
    "the default's score over its threshold in time, a panel a recording. Dashed: the threshold. Green: labelled "
    "healthy; orange: labelled faulty; red at the foot: in alarm."
)
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
class Cell:
    """A cell: its text, and a smaller one below it."""

    first: str
    second: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its columns' names and cells, and whether it is the default's."""

    cells: tuple[tuple[str, Cell], ...]
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot, and how to read it."""

    svg: Markup
    reading: str


@dataclass(frozen=True, slots=True)
class RigSection:
    """What the page tells of one rig."""

    report: RigReport
    lines: tuple[Line, ...]
    figures: tuple[Drawing, ...]
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
        kept=sum(target.verdict == KEPT for target in report.targets),
        columns=[name for name in COLUMNS if name not in _BELOW],
        words=TEXT_COLUMNS,
        percent=percent,
    )


def _section(report: Report, rig: RigReport) -> RigSection:
    rows = [row for row in report.results if row.rig == rig.rig]
    outcomes = [outcome for outcome in report.findings.outcomes if outcome.task.rig == rig.rig]
    lines = tuple(Line(_cells(row), row.kind == DEFAULT) for row in shown_rows(rows))
    return RigSection(rig, lines, _figures(rows, outcomes), _worst(outcomes), tuple(unmeasured_rows(rows)))


def _cells(row: Result) -> tuple[tuple[str, Cell], ...]:
    """The cells with their columns; what stands below another one, to spare width, in its cell."""
    shown = dict(zip(COLUMNS, cells(row), strict=True))
    below = {_BELOW[name]: text for name, text in shown.items() if name in _BELOW}
    return tuple((name, Cell(text, below.get(name, ""))) for name, text in shown.items() if name not in _BELOW)


def _figures(rows: Sequence[Result], outcomes: Sequence[Outcome]) -> tuple[Drawing, ...]:
    ours = [row for row in rows if row.kind == DEFAULT and row.status == OK and row.protocol != FAULT_TYPE]
    figures = []
    if shown := [row for row in ours if row.case != POOLED and row.healthy_assessed]:
        figures.append(_drawing(promise_plot(shown), _PROMISE_READING))
    if curves := _curves(rows, outcomes):
        figures.append(_drawing(curves_plot(curves), _CURVES_READING))
    for protocol in (LATER_TIME, RUN_TO_FAILURE):
        if strips := _strips(outcomes, protocol):
            name = protocol.replace("_", " ").capitalize()
            figures.append(_drawing(strips_plot(strips), f"{name}: {_STRIPS_READING}"))
    return tuple(figures)


def _drawing(svg: str, reading: str) -> Drawing:
    return Drawing(Markup(svg), reading)  # noqa: S704 - SVG of ours; matplotlib escapes its text


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
