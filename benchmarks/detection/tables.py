"""What the terminal shows: every contender on later time, the ones that matter elsewhere, and the targets."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.detection.contender import BASELINE, DEFAULT, FAMILY, PEER
from benchmarks.detection.document import Report
from benchmarks.detection.numbers import KEPT, MISSED, OK, POOLED, Result
from benchmarks.detection.protocols import FAULT_TYPE, LATER_TIME, LEFT_OUT
from benchmarks.detection.run import PROMISE, RigReport

_WIDTH = 170
_STYLES = {KEPT: "green", MISSED: "bold red"}
COLUMNS = (
    "protocol", "contender", "false alarms", "95 % interval", "above", "promise", "coverage", "events found", "delay",
    "AUC", "pAUC", "VUS-PR", "lives",
)  # fmt: skip
TEXT_COLUMNS = frozenset({"protocol", "contender", "promise"})


def print_report(report: Report) -> None:
    """Print the tables."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for rig in report.findings.rigs:
        if rig.status != OK:
            console.print(Text(f"{rig.rig or '(no name)'}: not measured. {rig.reason}", "bold red"))
            continue
        console.print(_rig_table(rig, [row for row in report.results if row.rig == rig.rig]))
    console.print(_targets_table(report))
    if report.effort.left_away:
        console.print(f"{report.effort.mode}: " + "; ".join(report.effort.left_away))


def shown_rows(rows: Sequence[Result]) -> Iterator[Result]:
    """Summaries: all of later time; elsewhere the default, the baselines, and the best family and peer."""
    for row in rows:
        if row.status == OK and row.protocol == LATER_TIME:
            yield row
    pooled = [row for row in rows if row.status == OK and row.case == POOLED]
    for protocol, position in dict.fromkeys((row.protocol, row.position) for row in pooled):
        same = [row for row in pooled if (row.protocol, row.position) == (protocol, position)]
        yield from (row for row in same if row.kind == DEFAULT)
        for kind in (FAMILY, PEER):
            best = max((row for row in same if row.kind == kind), key=_auc, default=None)
            if best:
                yield best
        yield from (row for row in same if row.kind == BASELINE)
    yield from (row for row in rows if row.protocol == FAULT_TYPE and row.kind == DEFAULT)


def unmeasured_rows(rows: Sequence[Result]) -> list[str]:
    """What was not measured, and why, each reason once."""
    seen: dict[str, int] = {}
    for row in rows:
        if row.status != OK:
            name = row.contender or protocol_name(row)
            text = row.reason if row.reason.startswith(f"{name}: ") else f"{name}: {row.reason}"
            seen[text] = seen.get(text, 0) + 1
    return [f"{text} ({n} cases)" if n > 1 else text for text, n in seen.items()]


def cells(row: Result) -> tuple[str, ...]:
    """One row as text, in the order of the columns."""
    return (
        protocol_name(row),
        row.contender,
        percent(row.false_alarm_rate),
        interval(row.false_alarm_rate_low, row.false_alarm_rate_high),
        percent(row.above_rate),
        row.promise,
        f"{percent(row.coverage_healthy)} / {percent(row.coverage_faulty)}",
        f"{row.events_found} of {row.events}" if row.events else "-",
        seconds(row.detection_delay_median_s),
        number(row.auc),
        number(row.partial_auc),
        number(row.vus_pr),
        f"{row.lives_kept} of {row.lives}" if row.lives else "",
    )


def protocol_name(row: Result) -> str:
    """Protocol and case in words."""
    name = row.protocol.replace("_", " ")
    unit = " rpm" if row.protocol == f"{LEFT_OUT}speed" and row.case.replace(".", "", 1).isdigit() else ""
    return f"{name}: {row.case}{unit}" if row.case not in {"", POOLED} else f"{name} {row.position}".rstrip()


def percent(value: float) -> str:
    """A share in percent."""
    return "-" if math.isnan(value) else f"{100.0 * value:.1f} %"


def interval(low: float, high: float) -> str:
    """An interval of a share; one dash where nothing was assessed."""
    return "-" if math.isnan(low) or math.isnan(high) else f"{percent(low)} to {percent(high)}"


def number(value: float) -> str:
    """An area."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def seconds(value: float) -> str:
    """A time span."""
    return "-" if math.isnan(value) else f"{value:,.4g} s"


def _rig_table(rig: RigReport, rows: Sequence[Result]) -> Table:
    kinds = ", ".join(f"{n} {kind}" for kind, n in rig.kinds.items())
    title = (
        f"{rig.rig or '(no name)'}: {kinds}; {len(rig.channels)} channels at {rig.sampling_rate_hz:g} Hz, windows of "
        f"{rig.window_s:g} s, {rig.features} features; declared {percent(PROMISE.false_alarm_rate)}"
    )
    caption = "\n".join((*rig.doubts, *unmeasured_rows(rows)))
    table = Table(
        title=Text(title), title_justify="left", caption=Text(caption), caption_justify="left", box=SIMPLE_HEAD
    )
    for name in COLUMNS:
        is_text = name in TEXT_COLUMNS
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name not in {"protocol", "contender"})
    before = ""
    for row in shown_rows(rows):
        shown = cells(row)
        first = shown[0] if shown[0] != before else ""
        before = shown[0]
        styled = (Text(cell, _STYLES.get(cell, "")) for cell in shown[1:])
        table.add_row(Text(first), *styled, style="bold" if row.kind == DEFAULT else "")
    return table


def _targets_table(report: Report) -> Table:
    table = Table(title="targets of the default", title_justify="left", box=SIMPLE_HEAD)
    for name in ("rig", "target", "measured", "to reach", "verdict", "note"):
        table.add_column(name, justify="right" if name in {"measured", "to reach"} else "left")
    for target in report.targets:
        verdict = Text(target.verdict, _STYLES.get(target.verdict, ""))
        value, limit = ("-" if math.isnan(each) else f"{each:.4f}" for each in (target.value, target.limit))
        table.add_row(*map(Text, (target.rig, target.target, value, limit)), verdict, Text(target.note))
    return table


def _auc(row: Result) -> float:
    return -1.0 if math.isnan(row.auc) else row.auc
