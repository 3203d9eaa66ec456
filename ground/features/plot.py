"""One picture of one channel of one window, as SVG text or PNG bytes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ground.features.curves import ChannelCurves
from ground.features.excerpt import Excerpt
from ground.features.panels import (
    absent_panel,
    close_panel,
    envelope_panel,
    orders_panel,
    spectrum_panel,
    waveform_panel,
)
from ground.features.rulers import band_rulers, fault_rulers, order_rulers, speeds_of, turn_rulers
from ground.report import words
from ground.report.figure import GREEN, VERMILLION, WIDE, drawn, new_figure, painted
from ground.report.view import Absent

_HEAD_IN: Final = 0.8
_LINE_IN: Final = 0.3
_SECOND_LINE_IN: Final = 0.21
_WAVEFORM_IN: Final = 2.1
_PANEL_IN: Final = 2.9
_ROW_IN: Final = 0.18
_ABSENT_IN: Final = 0.4
_TURNS_SHOWN: Final = 4.0
_CLOSE_S: Final = 0.1
_CLOSE_SHARE: Final = 0.2


def window_figure(excerpt: Excerpt, curves: ChannelCurves) -> Figure:
    """Draw waveform, spectrum, envelope spectrum and orders below each other.

    Args:
        excerpt: The window.
        curves: What its channel shows.
    """
    speeds = speeds_of(excerpt)
    orders = (*order_rulers(excerpt, speeds), *band_rulers(excerpt.spec))
    faults = (*turn_rulers(speeds), *fault_rulers(excerpt, speeds))
    heights = [
        _WAVEFORM_IN,
        _height(curves.density, len(orders)),
        _height(curves.envelope, len(faults)),
        *(_height(part, 0) for part in curves.orders),
    ]
    figure = new_figure(WIDE, _HEAD_IN + sum(heights))
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=(2.2, 1.0))
    _waveforms(excerpt, curves, figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]))
    axes = [figure.add_subplot(grid[row, :]) for row in range(1, len(heights))]
    if isinstance(curves.density, Absent):
        absent_panel(axes[0], curves.density)
    else:
        spectrum_panel(axes[0], curves.density, curves.bands, orders, curves.unit)
    if isinstance(curves.envelope, Absent):
        absent_panel(axes[1], curves.envelope)
    else:
        envelope_panel(axes[1], curves.envelope, faults, excerpt.spec.envelope.band_hz)
    for place, part in zip(axes[2:], curves.orders, strict=True):
        if isinstance(part, Absent):
            absent_panel(place, part)
        else:
            orders_panel(place, part, curves.unit)
    _head(figure, excerpt, curves)
    return figure


window_svg = drawn(window_figure)
window_png = painted(window_figure)


def title_of(excerpt: Excerpt) -> str:
    """Recording, time and phase."""
    return f"{excerpt.info.recording_id}, {excerpt.start_s:.10g} to {excerpt.end_s:.10g} s, {excerpt.phase}"


def circumstances_of(excerpt: Excerpt) -> str:
    """Speeds, and what the index says of the machine."""
    known = speeds_of(excerpt)
    speeds = [f"{shaft.upper()} {speed.text}" for shaft, speed in known.items()] or ["speeds unknown"]
    if not all(speed.is_steady for speed in known.values()):
        speeds[-1] += " (marks at the mean)"
    info = excerpt.info
    label = ": ".join(part for part in (words.spaced(info.label), words.spaced(info.fault_type)) if part)
    return ", ".join([*speeds, f"recording labelled {label}"])


def verdict_of(excerpt: Excerpt) -> str:
    """Whether the window can be assessed, else why not."""
    return f"not assessed: {words.reason_name(excerpt.reason)}" if excerpt.reason else "can be assessed"


def _head(figure: Figure, excerpt: Excerpt, curves: ChannelCurves) -> None:
    # The empty lines keep the room in which the texts below stand. Names from files are no formulas.
    plain: dict[str, Any] = {"x": 0.01, "ha": "left", "parse_math": False}
    figure.suptitle(f"{title_of(excerpt)}: {curves.channel}\n\n", fontsize=12, weight="bold", **plain)
    inch = figure.get_figheight()
    figure.text(y=1.0 - _LINE_IN / inch, s=circumstances_of(excerpt), va="top", **plain)
    color = VERMILLION if excerpt.reason else GREEN
    below = 1.0 - (_LINE_IN + _SECOND_LINE_IN) / inch
    figure.text(y=below, s=verdict_of(excerpt), va="top", color=color, weight="bold", **plain)


def _waveforms(excerpt: Excerpt, curves: ChannelCurves, whole: Axes, close: Axes) -> None:
    span_s = _close_span_s(excerpt, curves)
    waveform_panel(whole, curves, record_s=excerpt.spec.record_s, span_s=span_s)
    close_panel(close, curves, span_s)


def _close_span_s(excerpt: Excerpt, curves: ChannelCurves) -> tuple[float, float]:
    """A few turns of the slowest shaft about the highest peak, within the window."""
    slowest_hz = min((speed.mean_hz for speed in speeds_of(excerpt).values()), default=0.0)
    length_s = _TURNS_SHOWN / slowest_hz if slowest_hz else _CLOSE_S
    length_s = min(length_s, _CLOSE_SHARE * excerpt.spec.window_s)
    deviation = np.abs(curves.samples - np.nanmean(curves.samples)) if np.isfinite(curves.samples).any() else [0.0]
    peak_s = float(curves.time_s[int(np.nanargmax(deviation))])
    begin_s = min(max(peak_s - length_s / 2.0, excerpt.start_s), excerpt.end_s - length_s)
    return begin_s, begin_s + length_s


def _height(part: object, rows: int) -> float:
    return _ABSENT_IN if isinstance(part, Absent) else _PANEL_IN + _ROW_IN * rows
