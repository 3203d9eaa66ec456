"""Figure: the score of each flight over time, against its threshold, with alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from ground.report.figure import (
    BLUE,
    INK,
    ORANGE,
    VERMILLION,
    TimeUnit,
    Width,
    drawn,
    new_figure,
    thinned,
    time_unit,
)

_POINTS = 2400
_MOST_POINTS_A_FLIGHT = 400
_ROW_IN = 0.82
_TALL_ROW_IN = 1.4
_FRAME_IN = 1.15
_FLIGHTS_IN_ONE_COLUMN = 6
_TITLE_LETTERS = 46
_LOWEST_RATIO = 0.01
_HIGHEST_RATIO = 1000.0
_LEAST_RANGE = (0.3, 5.0)
_SHOWN_FROM, _SHOWN_TO = 0.002, 0.97
_MARGIN = 1.25
_EDGE = 1.06
_TICKS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
_HATCH = "////"
_HATCH_COLOUR = "#AAB4BE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The answers about one flight, in time order.

    Attributes:
        title: Names the flight and what is known of it.
        start_s: (n,) start of each window, seconds since the first.
        end_s: (n,) its end, when the answer is there.
        ratio: (n,) score over threshold; NaN where not assessed.
        alarm: (n,) whether the state is alarm.
        raised: (n,) whether an alert was raised here.
        faulty: (n,) whether the window is labelled faulty.
    """

    title: str
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    ratio: NDArray[np.float64]
    alarm: NDArray[np.bool_]
    raised: NDArray[np.bool_]
    faulty: NDArray[np.bool_]


@drawn
def score_plot(traces: Sequence[Trace], *, width: Width) -> Figure:
    """Draw one band a flight, all with the same axes.

    Args:
        traces: At least one flight of at least one window.
        width: How wide.

    Returns:
        The SVG text.
    """
    unit = time_unit(max(float(trace.end_s[-1]) for trace in traces))
    n_column = 1 if width.is_narrow or len(traces) <= _FLIGHTS_IN_ONE_COLUMN else 2
    n_row = -(-len(traces) // n_column)
    row_in = _TALL_ROW_IN if len(traces) <= _FLIGHTS_IN_ONE_COLUMN else _ROW_IN
    figure = new_figure(width, _FRAME_IN + row_in * n_row)
    # Down the first column, then down the second.
    grid = figure.subplots(n_row, n_column, sharex=True, sharey=True, squeeze=False).T.ravel()
    limits = _limits(traces)
    for axes, trace in zip(grid, traces, strict=False):
        _band(axes, trace, unit, limits, min(_POINTS // len(traces), _MOST_POINTS_A_FLIGHT))
    for index, axes in enumerate(grid):
        axes.set_visible(index < len(traces))
        axes.tick_params(bottom=(index + 1) % n_row == 0, left=index < n_row)
    grid[0].set_ylim(*limits)
    grid[0].set_xlim(left=0.0)
    figure.supxlabel(f"time since the start of the flight ({unit.name})", fontsize=9.5)
    figure.supylabel("score / threshold (1)", fontsize=9.5)
    figure.legend(
        handles=_legend(any(trace.faulty.any() for trace in traces)),
        loc="outside upper left",
        ncols=2 if width.is_narrow else 5,
        handlelength=1.6,
    )
    return figure


def spans_of(
    flags: NDArray[np.bool_], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Runs of flagged windows as (from, to), each window standing for the time that its predecessor had not seen.

    Args:
        flags: (n,) which windows.
        start_s: (n,) their starts.
        end_s: (n,) their ends, ascending.
    """
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    new_s = np.maximum(start_s, np.concatenate([start_s[:1], end_s[:-1]]))
    return [(float(new_s[first]), float(end_s[last - 1])) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _band(axes: Axes, trace: Trace, unit: TimeUnit, limits: tuple[float, float], points: int) -> None:
    for first, last in spans_of(trace.faulty, trace.start_s, trace.end_s):
        axes.axvspan(first / unit.seconds, last / unit.seconds, color=ORANGE, alpha=0.22, linewidth=0)
    for first, last in spans_of(np.isnan(trace.ratio), trace.start_s, trace.end_s):
        axes.axvspan(
            first / unit.seconds,
            last / unit.seconds,
            facecolor="none",
            edgecolor=_HATCH_COLOUR,
            hatch=_HATCH,
            linewidth=0,
        )
    axes.axhline(1.0, color=INK, linestyle=(0, (4, 2)), linewidth=1.0)
    time = trace.end_s / unit.seconds
    ratio = np.clip(trace.ratio, *_inside(limits))
    axes.plot(*thinned(time, ratio, points=points), color=BLUE)
    axes.plot(*thinned(time, np.where(trace.alarm, ratio, np.nan), points=points), color=VERMILLION, linewidth=2.6)
    (alerts,) = axes.plot(
        time[trace.raised], np.full(int(trace.raised.sum()), 0.93), "v", color=VERMILLION, markersize=7.0,
        markeredgecolor="white", markeredgewidth=0.6, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5,
    )  # fmt: skip
    alerts.set_in_layout(False)  # with no alert its box lies at the figure's corner and squeezes the axes
    axes.grid(visible=False)  # thirty bands of grid lines are more ink than the scores
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    title = trace.title if len(trace.title) <= _TITLE_LETTERS else trace.title[: _TITLE_LETTERS - 1] + "…"
    axes.set_title(title, fontsize=8.5, fontweight="normal", pad=2.5)


def _limits(traces: Sequence[Trace]) -> tuple[float, float]:
    """A decade around the threshold at least, and nearly all that was seen: a few giants do not flatten the rest."""
    seen = np.concatenate([trace.ratio[np.isfinite(trace.ratio)] for trace in traces])
    if not len(seen):
        return _LEAST_RANGE
    low, high = np.quantile(seen, (_SHOWN_FROM, _SHOWN_TO)).tolist()
    return (
        float(np.clip(low / _MARGIN, _LOWEST_RATIO, _LEAST_RANGE[0])),
        float(np.clip(high * _MARGIN, _LEAST_RANGE[1], _HIGHEST_RATIO)),
    )


def _inside(limits: tuple[float, float]) -> tuple[float, float]:
    """A little within the axes, so that a line at their edge keeps its width."""
    low, high = limits
    return low * _EDGE, high / _EDGE


def _legend(labelled: bool) -> list[Line2D | Patch]:  # noqa: FBT001 - whether faulty time is known
    faulty = [Patch(facecolor=ORANGE, alpha=0.3, label="labelled faulty")] if labelled else []
    return [
        Line2D([], [], color=BLUE, label="score"),
        Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1.0, label="threshold"),
        Line2D([], [], color=VERMILLION, marker="v", linewidth=2.6, label="alarm, ▼ alert"),
        *faulty,
        Patch(facecolor="white", edgecolor=_HATCH_COLOUR, hatch=_HATCH, label="not assessed"),
    ]
