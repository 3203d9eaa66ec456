"""Figure: the spectrum of one window against the spectra of healthy ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from ground.report import words
from ground.report.figure import BLUE, INK, ORANGE, VERMILLION, Width, drawn, new_figure

_HEIGHT_IN = 3.6
_THOUSAND = 1000.0
_TICK_HEIGHT = 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumView:
    """One channel's spectrum and what is usual for it; densities in unit²/Hz, positive.

    Attributes:
        frequency_hz: (n,) ascending, positive.
        density: (n,) of the window in question.
        healthy_low: (n,) 5 % quantile over healthy windows.
        healthy_median: (n,) their median.
        healthy_high: (n,) their 95 % quantile.
        bands_hz: The feature bands.
        marked_bands_hz: Those of them that an alert names.
        unit: Unit of the samples.
        n_healthy: Windows behind the quantiles.
    """

    frequency_hz: NDArray[np.float64]
    density: NDArray[np.float64]
    healthy_low: NDArray[np.float64]
    healthy_median: NDArray[np.float64]
    healthy_high: NDArray[np.float64]
    bands_hz: Sequence[tuple[float, float]]
    marked_bands_hz: Sequence[tuple[float, float]]
    unit: str
    n_healthy: int


@drawn
def spectrum_plot(view: SpectrumView, *, width: Width) -> Figure:
    """Draw the window's spectrum over the healthy band, log frequency, dB re 1 unit²/Hz.

    Args:
        view: What to draw.
        width: How wide.

    Returns:
        The SVG text.
    """
    figure = new_figure(width, _HEIGHT_IN)
    axes = figure.subplots()
    for low_hz, high_hz in view.marked_bands_hz:
        axes.axvspan(low_hz, high_hz, color=ORANGE, alpha=0.22, linewidth=0)
    axes.fill_between(
        view.frequency_hz, decibel(view.healthy_low), decibel(view.healthy_high), color=BLUE, alpha=0.25, linewidth=0,
        label=f"healthy, 5 to 95 % of {view.n_healthy} windows",
    )  # fmt: skip
    axes.plot(view.frequency_hz, decibel(view.healthy_median), color=BLUE, linewidth=1.0, label="healthy, median")
    axes.plot(view.frequency_hz, decibel(view.density), color=VERMILLION, linewidth=1.2, label="this window")
    _frequency_axis(axes, view, (1.0,) if width.is_narrow else (1.0, 2.0, 5.0))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_ylabel(f"density (dB re 1 {density_unit(view.unit)})")
    figure.legend(loc="outside upper left", ncols=1 if width.is_narrow else 3, handlelength=1.6)
    return figure


def decibel(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """``10 log10`` of a density over 1 unit²/Hz."""
    level: NDArray[np.float64] = 10.0 * np.log10(density)
    return level


def density_unit(unit: str) -> str:
    """Unit of a power spectral density of samples in ``unit``."""
    if unit == words.UNKNOWN_UNIT:
        return "unit²/Hz, unit not stated"
    square = f"({unit})²" if "/" in unit else f"{unit}²"
    return f"{square}/Hz"


def _frequency_axis(axes: Axes, view: SpectrumView, subs: tuple[float, ...]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(float(view.frequency_hz[0]), float(view.frequency_hz[-1]))
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(_hertz))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("frequency (Hz)")
    edges = sorted({edge for band in view.bands_hz for edge in band})
    axes.vlines(
        edges, 0.0, _TICK_HEIGHT, transform=axes.get_xaxis_transform(), color=INK, linewidth=1.0,
        zorder=4,
    )  # fmt: skip


def _hertz(value: float, _position: int | None) -> str:
    return f"{value / _THOUSAND:g}k" if value >= _THOUSAND else f"{value:g}"
