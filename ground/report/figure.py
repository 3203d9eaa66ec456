"""What all figures share: sizes, colours, and the way from a matplotlib figure to the same SVG bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

P = ParamSpec("P")

# Okabe and Ito's palette: told apart with every common form of colour blindness.
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
INK: Final = "#1F2933"
GREY: Final = "#7B8794"

_DOTS_PER_INCH = 150
_SECONDS_SHOWN_TO = 600.0
_MINUTES_SHOWN_TO = 3.0 * 3600.0
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_INDENT = re.compile(r"\n\s+")
_COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"', re.DOTALL)
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "enginear",  # the same figure has the same ids, so the page has the same bytes
    "svg.fonttype": "none",  # text stays text: small, sharp and searchable
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E9ECEF",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 9.0,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "figure.facecolor": "white",
}


@dataclass(frozen=True, slots=True)
class Width:
    """How wide a figure is drawn: the page holds one for screens and paper, and one for phones."""

    inch: float

    @property
    def is_narrow(self) -> bool:
        """Whether panels go below each other instead of side by side."""
        return self.inch < WIDE.inch


WIDE: Final = Width(10.2)
NARROW: Final = Width(3.6)


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """The unit of a time axis and its length in seconds."""

    name: str
    seconds: float


def time_unit(longest_s: float) -> TimeUnit:
    """Seconds for minutes, minutes for hours, hours beyond."""
    if longest_s <= _SECONDS_SHOWN_TO:
        return TimeUnit("s", 1.0)
    return TimeUnit("min", 60.0) if longest_s <= _MINUTES_SHOWN_TO else TimeUnit("h", 3600.0)


def drawn(make: Callable[P, Figure]) -> Callable[P, str]:
    """Turn a function that fills a figure into one that gives its SVG text, drawn in the page's style."""

    @wraps(make)
    def draw(*args: P.args, **kwargs: P.kwargs) -> str:
        with _style():
            return _svg(make(*args, **kwargs))

    return draw


def painted(make: Callable[P, Figure]) -> Callable[P, bytes]:
    """Turn a function that fills a figure into one that gives its PNG bytes, drawn in the page's style."""

    @wraps(make)
    def paint(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with _style():
            return _png(make(*args, **kwargs))

    return paint


def new_figure(width: Width, height_in: float) -> Figure:
    """An empty figure that keeps its labels inside."""
    return Figure(figsize=(width.inch, height_in), layout="constrained")


def thinned(x: NDArray[np.float64], y: NDArray[np.float64], *, points: int) -> tuple[NDArray[np.float64], ...]:
    """At most about ``points`` points of a line that keep its lows and highs, so that no peak disappears.

    Args:
        x: (n,) ascending.
        y: (n,) may hold NaN, which break the line; a stretch of them stays as one.
        points: How many to keep.
    """
    if len(x) <= points:
        return x, y
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(x)), points // 4):
        values = y[part]
        kept |= {int(part[0]), int(part[-1])}
        if np.isfinite(values).any():
            kept |= {int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])}
        if np.isnan(values).any():
            kept.add(int(part[np.flatnonzero(np.isnan(values))[0]]))
    index = np.array(sorted(kept))
    return x[index], y[index]


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        yield


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    sink = io.BytesIO()
    # No date and no version: neither says anything about the data.
    figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    text = sink.getvalue().decode("utf-8")
    return _compact(text[text.index("<svg") :])


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return sink.getvalue()


def _compact(svg: str) -> str:
    """Without comments, indents and the decimals of coordinates that no screen or printer resolves."""
    plain = _INDENT.sub("\n", _COMMENT.sub("", svg))
    return _COORDINATES.sub(lambda found: _DECIMALS.sub(r"\1", found[0]), plain)
