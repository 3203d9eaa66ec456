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
    """One gate; ``bars`` holds its picture, or nothing where nothing was measured."""

    name: str
    limit: str
    point: str
    bounds: str
    n: str
    verdict: str
    bars: tuple[RangeBar, ...]


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
    sentences: tuple[str, ...]
    lines: tuple[ContributionLine, ...]
    spectrum: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """A share with its bounds and observations; empty where there were none."""

    value: str = ""
    bounds: str = ""
    n: str = ""
    percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One kind of fault over all phases; in a healthy row a high share is bad."""

    name: str
    auc: str
    is_healthy: bool
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Faults against phases; the first two columns are the fault and its AUC."""

    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: sentences, a list, figures, tables; ``nav`` is its name in the list of sections."""

    key: str
    title: str
    nav: str = ""
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    figures: tuple[Figure, ...] = ()
    matrices: tuple[Matrix, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page.

    Attributes:
        detector: Name of the detector.
        subtitle: Family, config and change request.
        verdict: ``PASS``, ``FAIL`` or ``INSUFFICIENT``.
        release_class: What may be made of the evidence.
        meaning: The verdict in a sentence or two.
        tiles: The headline's numbers.
        gates_sentence: What counts as an observation, and what was heard at all.
        gates: The table of gates.
        gates_note: How the verdicts come about.
        flights: The section about flights.
        alerts_sentence: Which alerts are told about.
        alerts: Their stories.
        mistakes_sentence: How often the detector was wrong.
        mistakes: Stories of the worst.
        sections: The rest, in order.
        origin: Files and digests that the numbers come from.
    """

    detector: str
    subtitle: str
    verdict: str
    release_class: str
    meaning: str
    tiles: tuple[Tile, ...]
    gates_sentence: str
    gates: tuple[GateLine, ...]
    gates_note: str
    flights: Section
    alerts_sentence: str
    alerts: tuple[AlertStory, ...]
    mistakes_sentence: str
    mistakes: tuple[AlertStory, ...]
    sections: tuple[Section, ...]
    origin: str
