"""Draws rulers: a row of labels a ruler above the axes, and lines from them through the panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.transforms import Transform, offset_copy

from ground.features.rulers import Mark, Ruler

ROW_PT: Final = 13.0
LABEL_PT: Final = 8.0
_FIRST_ROW_PT: Final = 3.0
_LETTER_SHARE: Final = 0.0095
"""Of the width of the axes, for a letter of a label: what is nearer to another label stays unnamed."""


def draw_rulers(axes: Axes, rulers: Sequence[Ruler]) -> None:
    """Captions left of the axes, labels above them, lines through them; the first ruler on top.

    Args:
        axes: Their limits along x are final.
        rulers: What to draw.
    """
    for row, ruler in enumerate(reversed(rulers)):
        up_pt = _FIRST_ROW_PT + row * ROW_PT
        text: dict[str, Any] = {"color": ruler.color, "fontsize": LABEL_PT, "va": "bottom"}
        left = _raised(axes, axes.transAxes, up_pt, right_pt=-4.0)
        axes.text(0.0, 1.0, ruler.caption, transform=left, ha="right", **text)
        for mark in _inside(axes, ruler):
            _draw_mark(axes, mark, ruler.color)
        for span in ruler.spans:
            _draw_span(axes, span, ruler.color, up_pt)
        over = _raised(axes, axes.get_xaxis_transform(), up_pt)
        for mark in _readable(axes, ruler):
            axes.text(mark.at, 1.0, mark.label, transform=over, ha="center", **text)


def _draw_mark(axes: Axes, mark: Mark, color: str) -> None:
    if mark.is_narrow:
        axes.axvspan(mark.low, mark.high, color=color, alpha=0.10, linewidth=0)
    axes.axvline(mark.at, color=color, linewidth=0.8, linestyle=(0, (5, 3)), alpha=0.8)


def _draw_span(axes: Axes, span: tuple[float, float], color: str, up_pt: float) -> None:
    low, high = axes.get_xlim()
    ends = [max(span[0], low), min(span[1], high)]
    bar = _raised(axes, axes.get_xaxis_transform(), up_pt + ROW_PT / 3.0)
    if ends[0] < ends[1]:
        axes.plot(
            ends, [1.0, 1.0], transform=bar, color=color, linewidth=2.5, alpha=0.7, clip_on=False,
            solid_capstyle="butt",
        )  # fmt: skip


def _raised(axes: Axes, transform: Transform, up_pt: float, *, right_pt: float = 0.0) -> Transform:
    return offset_copy(transform, axes.get_figure(root=True), x=right_pt, y=up_pt, units="points")


def _inside(axes: Axes, ruler: Ruler) -> list[Mark]:
    low, high = axes.get_xlim()
    return [mark for mark in ruler.marks if low <= mark.at <= high]


def _readable(axes: Axes, ruler: Ruler) -> list[Mark]:
    """The marks whose labels fit beside those before them."""
    taken: list[tuple[float, float]] = []
    shown = []
    for mark in _inside(axes, ruler):
        place, half = _share(axes, mark.at), _LETTER_SHARE * (len(mark.label) + 1) / 2.0
        if mark.label and all(abs(place - other) >= half + width for other, width in taken):
            taken.append((place, half))
            shown.append(mark)
    return shown


def _share(axes: Axes, x: float) -> float:
    """How far along the axes a place lies, from 0 to 1."""
    low, high = axes.get_xlim()
    if axes.get_xscale() == "log":
        return math.log(x / low) / math.log(high / low)
    return (x - low) / (high - low)
