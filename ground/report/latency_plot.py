"""Figure: how long the agent took for each window, against its budget."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from ground.report.figure import BLUE, INK, VERMILLION, Width, drawn, new_figure

_HEIGHT_IN = 3.2
_BINS_A_DECADE = 16
_SHORTEST_MS = 0.01
_QUANTILES = ((0.5, "p50"), (0.99, "p99"), (1.0, "max"))


@drawn
def latency_plot(latency_ms: NDArray[np.float64], *, budget_ms: float, width: Width) -> Figure:
    """Draw a histogram with bins of equal ratio.

    Args:
        latency_ms: (n,) at least one.
        budget_ms: The budget.
        width: How wide.

    Returns:
        The SVG text.
    """
    shown = np.maximum(latency_ms, _SHORTEST_MS)
    figure = new_figure(width, _HEIGHT_IN)
    axes = figure.subplots()
    axes.hist(shown, bins=_edges(shown, budget_ms).tolist(), color=BLUE, edgecolor="white", linewidth=0.4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.axvline(budget_ms, color=VERMILLION, linewidth=2.0, label=f"budget {budget_ms:g} ms")
    for (share, name), dash in zip(_QUANTILES, ("-", "--", ":"), strict=True):
        value = float(np.quantile(latency_ms, share, method="higher"))
        axes.axvline(value, color=INK, linestyle=dash, linewidth=1.1, label=f"{name} {value:.3g} ms")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("latency of a result (ms)")
    axes.set_ylabel("windows")
    figure.legend(loc="outside upper left", ncols=2 if width.is_narrow else 4, handlelength=2.0)
    return figure


def _edges(latency_ms: NDArray[np.float64], budget_ms: float) -> NDArray[np.float64]:
    low = np.floor(np.log10(latency_ms.min()) * _BINS_A_DECADE) / _BINS_A_DECADE
    high = np.log10(max(float(latency_ms.max()), 1.2 * budget_ms))
    count = int(np.ceil((high - low) * _BINS_A_DECADE)) + 1
    edges: NDArray[np.float64] = 10.0 ** (low + np.arange(count + 1) / _BINS_A_DECADE)
    return edges
