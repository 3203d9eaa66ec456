"""Figures as ``static/plots.js`` draws them: plain numbers, named and with units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_DIGITS: Final = 6
_TIME_DIGITS: Final = 13
"""Milliseconds of this century."""
OWN: Final = "own"
"""Style of what the page is about."""
HEALTHY: Final = "healthy"
EDGE: Final = "edge"
"""A line that is not drawn, only the band between two of them."""
SECOND: Final = "second"
MARK: Final = "mark"
LIMIT: Final = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What stands along one side.

    Attributes:
        label: Of what.
        unit: In what; empty for none.
        log: Whether in decades.
        time: Whether the values are seconds since 1970, shown as dates.
        range: From where to where; none for what the browser chooses.
        ticks: What is written beside a logarithmic axis; none likewise.
    """

    label: str
    unit: str = ""
    log: bool = False
    time: bool = False
    range: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line.

    Attributes:
        label: What it shows.
        values: (n,) one an x; NaN is a gap.
        style: ``own``, ``healthy``, ``edge``, ``second``, ``mark`` or ``limit``.
        points: Dots instead of a line.
    """

    label: str
    values: NDArray[np.float64]
    style: str = OWN
    points: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place on x, or a span where ``until`` is a number; ``row`` keeps labels from covering each other."""

    label: str
    at: float
    until: float = math.nan
    style: str = MARK
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One figure.

    Attributes:
        x: Its axis.
        x_values: (n,) ascending.
        y: Its axis.
        series: At least one.
        bands: Pairs of indices of series, upper and lower: what lies between them is shaded.
        marks: Places on x.
    """

    x: Axis
    x_values: NDArray[np.float64]
    y: Axis
    series: tuple[Series, ...]
    bands: tuple[tuple[int, int], ...] = ()
    marks: tuple[Mark, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain JSON; what is not finite is null."""
        return {
            "x": {**_axis(self.x), "values": _plain(self.x_values, _TIME_DIGITS)},
            "y": _axis(self.y),
            "series": [
                {"label": one.label, "style": one.style, "points": one.points, "values": _plain(one.values)}
                for one in self.series
            ],
            "bands": [list(pair) for pair in self.bands],
            "marks": [_mark(mark) for mark in self.marks],
        }


def absent(text: str) -> dict[str, str]:
    """Stands for a figure that cannot be drawn, and says why."""
    return {"absent": text}


def _axis(axis: Axis) -> dict[str, Any]:
    chosen: dict[str, Any] = {} if axis.range is None else {"range": list(axis.range), "ticks": list(axis.ticks)}
    return {"label": axis.label, "unit": axis.unit, "log": axis.log, "time": axis.time, **chosen}


def _mark(mark: Mark) -> dict[str, Any]:
    span = {"to": mark.until} if math.isfinite(mark.until) else {}
    return {"label": mark.label, "from": mark.at, "style": mark.style, "row": mark.row, **span}


def _plain(values: Iterable[float], digits: int = _DIGITS) -> list[float | None]:
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]
