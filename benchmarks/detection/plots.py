"""The figures of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from benchmarks.detection.numbers import Result
from benchmarks.detection.tables import protocol_name
from benchmarks.detection.trace import Strip
from ground.metrics import Curve
from ground.report.figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION, Width, drawn, new_figure, time_unit

_WIDE = Width(10.2)
_HALF = Width(6.0)
_ROW_IN = 0.27
_STRIP_IN = 1.25
_FLOOR = 1e-3
"""Rates below are drawn here: a logarithm has no zero."""
_CURVE_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY)
_LOWEST_MARGIN = 0.02
_HIGHEST_MARGIN = 1e3


@drawn
def promise_plot(rows: Sequence[Result]) -> Figure:
    """Declared against measured false-alarm rate, a line a case, with the exact and the cluster interval."""
    figure = new_figure(_WIDE, 1.0 + _ROW_IN * len(rows))
    axes = figure.subplots()
    at = np.arange(len(rows))[::-1]
    for y, row in zip(at, rows, strict=True):
        colour = VERMILLION if row.promise == "missed" else BLUE
        cluster = [row.false_alarm_rate_cluster_low, row.false_alarm_rate_cluster_high]
        axes.plot(_shown(cluster), [y, y], color=colour, alpha=0.3, linewidth=6, solid_capstyle="butt")
        axes.plot(_shown([row.false_alarm_rate_low, row.false_alarm_rate_high]), [y, y], color=colour)
        axes.plot(_shown([row.false_alarm_rate]), [y], "o", color=colour, markersize=5)
    axes.axvline(rows[0].declared_false_alarm_rate, color=INK, linestyle="--", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_xlim(_FLOOR * 0.9, 1.1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set_yticks(at, [protocol_name(row) for row in rows], parse_math=False)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("share of assessed healthy windows in alarm")
    axes.set_title("Declared (dashed) and measured false alarms")
    return figure


@drawn
def curves_plot(curves: Sequence[tuple[str, Curve]]) -> Figure:
    """Recall of single windows against their false-alarm rate, before persistence."""
    figure = new_figure(_HALF, 3.4)
    axes = figure.subplots()
    for (name, curve), colour in zip(curves, _CURVE_COLOURS, strict=False):
        axes.plot(np.maximum(curve.x, _FLOOR), curve.y, color=colour, label=name, drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_xlim(_FLOOR, 1.0)
    axes.set_ylim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set_xlabel("share of healthy windows above the level")
    axes.set_ylabel("share of faulty windows above it")
    axes.set_title("Later time: ROC before persistence, from 0.1 %")
    axes.legend(loc="lower right")
    return figure


@drawn
def strips_plot(strips: Sequence[Strip]) -> Figure:
    """Score over threshold in time, a panel a recording; healthy and faulty time shaded, alarms at the foot."""
    figure = new_figure(_WIDE, 0.5 + _STRIP_IN * len(strips))
    panels = figure.subplots(len(strips), squeeze=False)[:, 0]
    for axes, strip in zip(panels, strips, strict=True):
        unit = time_unit(float(strip.time_s[-1]) if len(strip.time_s) else 0.0)
        for first, last in strip.healthy / unit.seconds:
            axes.axvspan(first, last, color=GREEN, alpha=0.10, linewidth=0)
        for first, last in strip.faulty / unit.seconds:
            axes.axvspan(first, last, color=ORANGE, alpha=0.18, linewidth=0)
        for first, last in strip.alarm / unit.seconds:
            axes.axvspan(first, last, ymax=0.06, color=VERMILLION, linewidth=0)
        margin = np.clip(strip.margin, _LOWEST_MARGIN, _HIGHEST_MARGIN)
        axes.plot(strip.time_s / unit.seconds, margin, color=BLUE, linewidth=0.9)
        axes.axhline(1.0, color=INK, linestyle="--", linewidth=0.8)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=5))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(strip.recording_id, fontsize=8.5)
        axes.set_xlabel(unit.name, fontsize=8)
        axes.tick_params(labelsize=8)
    figure.supylabel("score over threshold", fontsize=8.5)
    return figure


def _shown(values: Sequence[float]) -> list[float]:
    return [value if math.isnan(value) else max(value, _FLOOR) for value in values]
