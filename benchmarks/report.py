"""The report of a benchmark: a table for people, and the same as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ground.workspace import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Summary

SCHEMA = 1
PER_SECOND: Mapping[str, float] = {"us": 1e6, "ms": 1e3}
"""Units a report may be told in."""

KEPT = "kept"
MISSED = "missed"
UNDECIDED = "undecided"
"""Verdict where the sample is too small for the figure."""

_AGENT_PACKAGES = ("numpy", "onnxruntime", "paho-mqtt")
_PLAIN_WIDTH = 150
_COMPACT_WIDTH = 100
_THREE_DIGITS = 100.0


@dataclass(frozen=True, slots=True)
class Target:
    """A number to reach, and whether it was: ``kept``, ``missed`` or ``undecided``."""

    text: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a report.

    Attributes:
        name: What was measured, per what.
        summary: The sample, in seconds.
        targets: The design's numbers for it; none where the design has none.
        figures: Further numbers by name, each with its unit in the name.
    """

    name: str
    summary: Summary
    targets: tuple[Target, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run of a benchmark found.

    Attributes:
        benchmark: Name of the benchmark and of its file.
        mode: ``quick`` or ``full``.
        unit: Unit it is told in, of ``PER_SECOND``.
        cal: The calibration loop in the same run, seconds.
        rows: The measurements.
        packages: Whose versions are told.
        tables: Series of points by name, each point by the names of its numbers; only in the JSON.
        is_compact: Print medians as multiples of ``cal`` alone.
    """

    benchmark: str
    mode: str
    unit: str
    cal: Summary
    rows: tuple[Row, ...]
    packages: tuple[str, ...] = _AGENT_PACKAGES
    tables: Mapping[str, Sequence[Mapping[str, float | str]]] = field(default_factory=dict)
    is_compact: bool = False


def at_most(what: str, value: float | None, limit: float, unit: str) -> Target:
    """A target from above; ``value`` is none where the sample is too small."""
    text = f"{what} <= {limit:,g} {unit}"
    return Target(text, UNDECIDED) if value is None else Target(text, KEPT if value <= limit else MISSED)


def at_least(what: str, value: float, limit: float, unit: str) -> Target:
    """A target from below."""
    return Target(f"{what} >= {limit:,g} {unit}", KEPT if value >= limit else MISSED)


def publish(report: Report, folder: Path) -> None:
    """Print the report and write it to ``<folder>/<benchmark>.json``."""
    # Without a terminal rich falls back to 80 columns, which would cut the table in a log of CI.
    plain_width = _COMPACT_WIDTH if report.is_compact else _PLAIN_WIDTH
    table = _compact_table(report) if report.is_compact else _table(report)
    console = Console(width=None if sys.stdout.isatty() else plain_width)
    with console.capture() as shown:
        console.print(table)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))
    document = json.dumps(to_document(report), indent=1, allow_nan=False)
    write_atomic(folder / f"{report.benchmark}.json", f"{document}\n".encode("ascii"))


def to_document(report: Report) -> dict[str, Any]:
    """The report as plain JSON types; what is endless or was not measured is null."""
    return {
        "schema": SCHEMA,
        "benchmark": report.benchmark,
        "mode": report.mode,
        "unit": report.unit,
        "machine": _machine(report.packages),
        "cal": _numbers(report.cal, report),
        "rows": [_row_document(row, report) for row in report.rows],
        "tables": {name: [dict(point) for point in points] for name, points in report.tables.items()},
    }


def _row_document(row: Row, report: Report) -> dict[str, Any]:
    return {
        "name": row.name,
        **_numbers(row.summary, report),
        "figures": {name: _finite(value) for name, value in row.figures.items()},
        "targets": [asdict(target) for target in row.targets],
    }


def _numbers(summary: Summary, report: Report) -> dict[str, Any]:
    scale = PER_SECOND[report.unit]
    p999 = math.inf if summary.p999 is None else summary.p999
    return {
        "n": summary.n,
        "median": _finite(summary.median * scale),
        "p99": _finite(summary.p99 * scale),
        "p99.9": _finite(p999 * scale),
        "max": _finite(summary.maximum * scale),
        "ratio_to_cal": _finite(summary.median / report.cal.median),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _machine(packages: Sequence[str]) -> dict[str, Any]:
    """What shapes the numbers; no name of a host and no path."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _table(report: Report) -> Table:
    table = Table(title=f"{report.benchmark} ({report.mode}), {report.unit}", show_lines=True)
    table.add_column("what")
    for name in ("n", "median", "p99", "p99.9", "max", "/ cal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("figures")
    table.add_column("target")
    for row in (Row(name="cal", summary=report.cal), *report.rows):
        figures = "\n".join(f"{name} {value:,.4g}" for name, value in row.figures.items())
        targets = "\n".join(f"{target.text}: {target.verdict}" for target in row.targets)
        table.add_row(row.name, *map(_cell, _numbers(row.summary, report).values()), figures, targets)
    return table


def _compact_table(report: Report) -> Table:
    cal = report.cal.median * PER_SECOND[report.unit]
    title = f"{report.benchmark} ({report.mode}): medians of thread CPU time, 1 cal = {cal:,.4g} {report.unit}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("/ cal", justify="right", no_wrap=True)
    table.add_column("figures")
    table.add_column("target", no_wrap=True)
    for row in report.rows:
        figures = ", ".join(f"{_short(value)} {name}" for name, value in row.figures.items())
        targets = "\n".join(f"{target.text}: {target.verdict}" for target in row.targets)
        table.add_row(row.name, _short(row.summary.median / report.cal.median), figures, targets)
    return table


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _THREE_DIGITS else f"{value:.3g}"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.4g}"
