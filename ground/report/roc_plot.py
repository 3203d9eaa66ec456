"""Figure: ROC and precision-recall curves of the shipped model, the other families and plain RMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ground.ranking_bands import RankingBands
from ground.report.figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION, Width, drawn, new_figure

_HEIGHT_IN = 4.4
_NARROW_HEIGHT_IN = 7.6
_OTHERS = ((GREEN, "--"), (PURPLE, "-."), (ORANGE, ":"), (GREY, "--"))
_MARGIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingCurves:
    """How well one scorer ranks single windows.

    Attributes:
        name: The scorer.
        auc: Area under its ROC curve.
        average_precision: Area under its precision-recall curve.
        false_alarm_rate: (n,) of the ROC curve.
        true_rate: (n,) of the ROC curve.
        recall: (m,) of the precision-recall curve.
        precision: (m,) of the precision-recall curve.
    """

    name: str
    auc: float
    average_precision: float
    false_alarm_rate: NDArray[np.float64]
    true_rate: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Where the calibrated threshold, with persistence, puts the shipped model; NaN where undefined."""

    false_alarm_rate: float
    recall: float
    precision: float


@drawn
def roc_plot(
    curves: Sequence[RankingCurves], point: OperatingPoint, bands: RankingBands, *, prevalence: float, width: Width
) -> Figure:
    """Draw both curves of each scorer.

    Args:
        curves: The shipped model first.
        point: The shipped model's operating point.
        bands: About the shipped model's curves; empty ones are not drawn.
        prevalence: Faulty share of the test windows.
        width: How wide.

    Returns:
        The SVG text.
    """
    figure = new_figure(width, _NARROW_HEIGHT_IN if width.is_narrow else _HEIGHT_IN)
    roc, pr = figure.subplots(2, 1) if width.is_narrow else figure.subplots(1, 2)
    for axes, band in ((roc, bands.roc), (pr, bands.pr)):
        label = f"{curves[0].name}, {100.0 * bands.confidence:.0f} % band"
        if len(band.x):
            axes.fill_between(band.x, band.low, band.high, color=BLUE, alpha=0.15, linewidth=0.0, label=label)
    for curve, (colour, dash) in zip(curves, ((BLUE, "-"), *_OTHERS), strict=False):
        thick = 2.2 if curve is curves[0] else 1.5
        auc_label = f"{curve.name}, AUC {curve.auc:.3f}"
        roc.plot(curve.false_alarm_rate, curve.true_rate, dash, color=colour, linewidth=thick, label=auc_label)
        ap_label = f"{curve.name}, AP {curve.average_precision:.3f}"
        pr.step(curve.recall, curve.precision, dash, where="pre", color=colour, linewidth=thick, label=ap_label)
    roc.plot([0.0, 1.0], [0.0, 1.0], color=GREY, linewidth=0.8, label="chance")
    pr.axhline(prevalence, color=GREY, linewidth=0.8, label=f"chance, AP {prevalence:.3f}")
    _mark(roc, point.false_alarm_rate, point.recall)
    _mark(pr, point.recall, point.precision)
    _finish(
        roc, "ROC", "false-alarm rate (share of healthy windows)", "recall (share of faulty windows)", "lower right"
    )
    _finish(pr, "Precision and recall", "recall (share of faulty windows)", "precision (share of alarms)", "lower left")
    return figure


def _mark(axes: Axes, x: float, y: float) -> None:
    if np.isfinite([x, y]).all():
        axes.plot(
            x, y, "o", color=VERMILLION, markeredgecolor=INK, markersize=8.0, label="as shipped: threshold, k of n",
            clip_on=False, zorder=5,
        )  # fmt: skip


def _finish(axes: Axes, title: str, x_label: str, y_label: str, place: Literal["lower right", "lower left"]) -> None:
    axes.set(title=title, xlabel=x_label, ylabel=y_label, xlim=(-_MARGIN, 1 + _MARGIN), ylim=(-_MARGIN, 1 + _MARGIN))
    axes.legend(loc=place, handlelength=2.2)
