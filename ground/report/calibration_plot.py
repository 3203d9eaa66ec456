"""Figure: declared false-alarm rates against those measured on healthy test flights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from ground.calibration_curve import CalibrationPoint
from ground.report.figure import BLUE, GREY, INK, VERMILLION, Width, drawn, new_figure

_HEIGHT_IN = 4.4
_FLOOR = 0.005
"""Where a measured rate of zero is drawn on the logarithmic axis."""
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@drawn
def calibration_plot(points: Sequence[CalibrationPoint], *, shipped: float, width: Width) -> Figure:
    """Draw one point with its bounds for each declared rate.

    Args:
        points: At least one, with test flights.
        shipped: The declared rate of the detector that ships.
        width: How wide.

    Returns:
        The SVG text.
    """
    figure = new_figure(width, _HEIGHT_IN)
    axes = figure.subplots()
    edge = (_FLOOR, 1.0)
    axes.fill_between(edge, edge, [1.0, 1.0], color=VERMILLION, alpha=0.08, linewidth=0.0, label="promise broken")
    axes.plot(edge, edge, color=GREY, linewidth=1.0, label="measured = declared")
    axes.axvline(shipped, color=INK, linewidth=0.8, linestyle=":", label="as shipped")
    for is_short, face, name in ((False, BLUE, "measured, with bounds"), (True, "white", "too few to calibrate")):
        chosen = [point for point in points if point.insufficient_flights == is_short]
        if chosen:
            x, y = (np.array([getattr(point, field) for point in chosen]) for field in ("declared", "measured"))
            low = np.array([point.bounds.lower for point in chosen]).clip(_FLOOR)
            high = np.array([point.bounds.upper for point in chosen])
            shown = y.clip(_FLOOR)
            axes.errorbar(
                x, shown, yerr=(np.maximum(shown - low, 0.0), np.maximum(high - shown, 0.0)), fmt="o", color=BLUE,
                markerfacecolor=face, capsize=3.0, label=name,
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=edge, ylim=(_FLOOR * 0.85, 1.05))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(list(_TICKS)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(xlabel="declared, at most", ylabel="measured on test flights")
    figure.legend(loc="outside lower center", ncols=1 if width.is_narrow else 3)
    return figure
