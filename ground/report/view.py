"""The parts of the page as the template sees them: texts that are ready to print, and figures that are drawn."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from ground.report.figure import NARROW, WIDE, Width


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure, drawn for screens and paper and again for phones.

    Attributes:
        title: What it shows.
        alt: The same for those who do not see it, with the main numbers.
        reading: One sentence on how to read it.
        wide: Data URI of the wide SVG.
        narrow: Data URI of the narrow SVG.
    """

    title: str
    alt: str
    reading: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands where a figure would be, and says why there is none."""

    text: str


Figure = Picture | Absent


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a column; numbers stand right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts; ``note`` says how to read it, or why it has no rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the headline."""

    value: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeBar:
    """Where estimate, bounds and limit lie on a scale from 0 to 100; bounds are cut at its ends."""

    lower: float
    upper: float
    point: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """One gate."""

    name: str
    limit: str
    point: str
    bounds: str
    n: str
    verdict: str
    bar: RangeBar


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributionLine:
    """One feature that an alert names.

    Attributes:
        name: The feature in words.
        share: Its share of the deviation, as text.
        percent: The same as a number.
        measured: Its value in the window, with unit.
        usual: The range of healthy windows.
        verdict: How the two compare.
    """

    name: str
    share: str
    percent: float
    measured: str
    usual: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStory:
    """One alert: when, why, and what the spectrum looked like."""

    title: str
    sentence: str
    lines: tuple[ContributionLine, ...]
    spectrum: Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: sentences, then tables, then figures."""

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    figures: tuple[Figure, ...] = ()


def picture(make: Callable[[Width], str], *, title: str, alt: str, reading: str) -> Picture:
    """Draw a figure in both widths.

    Args:
        make: From a width to SVG text.
        title: What it shows.
        alt: The same with the main numbers.
        reading: How to read it.
    """
    return Picture(title=title, alt=alt, reading=reading, wide=_uri(make(WIDE)), narrow=_uri(make(NARROW)))


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
