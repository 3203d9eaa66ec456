"""The panels of a plot: waveform, spectrum, envelope spectrum, orders; each fills one pair of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from ground.features.curves import BandLevel, ChannelCurves, Curve, OrderCurve
from ground.features.ruler_rows import LABEL_PT, ROW_PT, draw_rulers
from ground.features.rulers import SHAFT_COLORS, Ruler, highest
from ground.report import words
from ground.report.figure import GREY, INK, ORANGE, VERMILLION, thinned
from ground.report.spectrum_plot import decibel, density_unit
from ground.report.view import Absent

_POINTS: Final = 6000
_LOWEST_DENSITY: Final = 1e-24
_HEADROOM: Final = 1.12
_CLEAR_LINES: Final = 3
"""Below, the envelope spectrum holds what is left of the mean."""
_DECADES: Final = 3.5
_THOUSAND: Final = 1000.0


def waveform_panel(axes: Axes, curves: ChannelCurves, *, record_s: float, span_s: tuple[float, float]) -> None:
    """The whole window; records that cannot be assessed are shaded, the span that is shown enlarged is too."""
    _line(axes, *thinned(curves.time_s, curves.samples, points=_POINTS))
    begin_s = float(curves.time_s[0])
    for index, reason in enumerate(curves.reasons):
        if reason:
            low_s = begin_s + index * record_s
            axes.axvspan(low_s, low_s + record_s, color=VERMILLION, alpha=0.15, linewidth=0)
            axes.text(
                low_s + record_s / 2.0, 0.98, words.reason_name(reason), transform=axes.get_xaxis_transform(),
                color=VERMILLION, ha="center", va="top", fontsize=LABEL_PT, weight="bold", clip_on=True,
            )  # fmt: skip
    axes.axvspan(*span_s, color=ORANGE, alpha=0.35, linewidth=0)
    axes.set_xlim(begin_s, begin_s + record_s * len(curves.reasons))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="x", useOffset=False)
    _label(axes, "Waveform", "time (s)", f"{curves.channel} ({_unit(curves.unit)})")


def close_panel(axes: Axes, curves: ChannelCurves, span_s: tuple[float, float]) -> None:
    """The waveform about its highest peak, in milliseconds from it."""
    inside = (curves.time_s >= span_s[0]) & (curves.time_s <= span_s[1])
    middle_s = (span_s[0] + span_s[1]) / 2.0
    _line(axes, (curves.time_s[inside] - middle_s) * _THOUSAND, curves.samples[inside])
    axes.set_xlim(*((edge - middle_s) * _THOUSAND for edge in span_s))
    _label(axes, f"The same about {middle_s:.3f} s", "time (ms)", "")


def spectrum_panel(axes: Axes, curve: Curve, bands: Sequence[BandLevel], rulers: Sequence[Ruler], unit: str) -> None:
    """Density over log frequency, with the level of each feature band, and the orders of the shafts."""
    frequency_hz, density = curve.x[1:], np.maximum(curve.y[1:], _LOWEST_DENSITY)
    level = decibel(density)
    first_hz = float(frequency_hz[0])
    for band in bands[::2]:
        axes.axvspan(max(band.low_hz, first_hz), band.high_hz, color=GREY, alpha=0.13, linewidth=0)
    axes.plot(frequency_hz, level, color=INK, linewidth=0.9)
    for band in bands:
        height = 10.0 * math.log10(max(band.density, _LOWEST_DENSITY))
        axes.plot(
            [max(band.low_hz, first_hz), band.high_hz], [height] * 2, color=ORANGE, linewidth=2.2, solid_capstyle="butt"
        )
    axes.set_xscale("log")
    axes.set_xlim(first_hz, float(frequency_hz[-1]))
    axes.set_ylim(float(np.quantile(level, 0.005)) - 3.0, float(level.max()) + 4.0)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=14))
    axes.xaxis.set_major_formatter(FuncFormatter(_hertz))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
    draw_rulers(axes, rulers)
    title = "Spectrum; orange: its mean in each feature band" if bands else "Spectrum"
    _label(axes, title, "frequency (Hz)", f"density (dB re 1 {density_unit(unit).partition(',')[0]})", rows=len(rulers))


def envelope_panel(axes: Axes, curve: Curve, rulers: Sequence[Ruler], band_hz: tuple[float, float]) -> None:
    """Modulation over frequency, with the fault lines of the bearings, as wide as they are summed."""
    last_hz = min(highest(rulers) * _HEADROOM or float(curve.x[-1]), float(curve.x[-1]))
    shown = curve.x <= last_hz
    axes.plot(curve.x[shown], curve.y[shown], color=INK, linewidth=0.9)
    axes.set_xlim(0.0, last_hz)
    axes.set_ylim(0.0, _top(curve.y[shown][_CLEAR_LINES:]))
    axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 2.5, 5, 10]))
    draw_rulers(axes, rulers)
    title = f"Envelope spectrum of {words.hertz(band_hz[0])} to {words.hertz(band_hz[1])} Hz"
    _label(axes, title, "frequency (Hz)", "modulation (RMS over mean)", rows=len(rulers))


def orders_panel(axes: Axes, orders: OrderCurve, unit: str) -> None:
    """RMS over the order of a shaft, followed through its changes of speed; features are dots."""
    color = SHAFT_COLORS.get(orders.shaft, ORANGE)
    axes.semilogy(orders.curve.x, np.maximum(orders.curve.y, _LOWEST_DENSITY), color=INK, linewidth=0.9)
    dots = np.maximum(orders.marked.y, _LOWEST_DENSITY)
    axes.semilogy(orders.marked.x, dots, "o", color=color, markersize=6, clip_on=False)
    top = float(max(orders.curve.y.max(), *dots, _LOWEST_DENSITY))
    axes.set_ylim(max(float(orders.curve.y.min()), top * 10.0**-_DECADES, _LOWEST_DENSITY), top * 2.0)
    axes.set_xlim(0.0, float(orders.curve.x[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(14, integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    shaft = orders.shaft.upper()
    title = f"Orders of {shaft}; dots: features" if dots.size else f"Orders of {shaft}"
    _label(axes, title, f"multiple of {shaft}", f"RMS ({_unit(unit)})")


def absent_panel(axes: Axes, absent: Absent) -> None:
    """A sentence in place of a panel."""
    axes.set_axis_off()
    axes.text(0.0, 0.5, absent.text, transform=axes.transAxes, va="center", wrap=True)


def _line(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    axes.plot(x, y, color=INK, linewidth=0.7)


def _label(axes: Axes, title: str, x: str, y: str, *, rows: int = 0) -> None:
    axes.set_title(title, pad=6.0 + ROW_PT * rows)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _top(values: NDArray[np.float64]) -> float:
    return _HEADROOM * float(values.max()) if values.size and values.max() > 0.0 else 1.0


def _hertz(value: float, _position: int | None) -> str:
    return f"{value / _THOUSAND:g}k" if value >= _THOUSAND else f"{value:g}"


def _unit(unit: str) -> str:
    return "unit not stated" if unit == words.UNKNOWN_UNIT else unit
