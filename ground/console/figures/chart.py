"""Scores over time: of an engine's flights, and of a flight's windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.console.data.engine_flights import FlightLine
from ground.console.data.timeline import Timeline
from ground.console.figures.log_axis import log_axis
from ground.console.plot import HEALTHY, LIMIT, OWN, SECOND, Axis, Mark, Plot, Series, absent

MOST_MARKS: Final = 20
"""Alerts that are marked in one flight; the table has all."""

_THRESHOLD_RATIO = 1.0


def score_plot(flights: Sequence[FlightLine]) -> dict[str, Any]:
    """The scores of flights over time, each over its threshold.

    Args:
        flights: In any order; those that nobody has summed up, or in which nothing was assessed, are left out.
    """
    ordered = sorted((each for each in flights if each.highest > 0.0), key=lambda each: each.first_ns)
    if not ordered:
        return absent("No flight with a score has been summed up yet.")
    # A line of one point is none.
    is_one = len(ordered) == 1
    highest, median = _shown(each.highest for each in ordered), _shown(each.p50 for each in ordered)
    threshold = np.full(len(ordered), _THRESHOLD_RATIO)
    return Plot(
        x=Axis(label="start of the flight", unit="UTC", time=True),
        x_values=np.array([each.first_ns / NS_PER_S for each in ordered]),
        y=log_axis("score / threshold", "1", (highest, median, threshold)),
        series=(
            Series(label="highest of the flight", values=highest, style=HEALTHY, points=is_one),
            Series(label="median of the flight", values=median, style=SECOND, points=is_one),
            Series(
                label="flight with an alert",
                values=_shown(each.highest if each.raised else 0.0 for each in ordered),
                style=OWN,
                points=True,
            ),
            Series(label="threshold", values=threshold, style=LIMIT, points=is_one),
        ),
    ).document()


def window_plot(timeline: Timeline) -> dict[str, Any]:
    """The scores of one flight's windows beside their thresholds."""
    score, threshold = _shown(timeline.score), _shown(timeline.threshold)
    if not np.isfinite(score).any():
        return absent("No window of this flight was assessed, so there is no score.")
    return Plot(
        x=Axis(label="time since the first window", unit="s"),
        x_values=np.array(timeline.end_s),
        y=log_axis("score", "1", (score, threshold)),
        series=(
            Series(label="score", values=score, style=HEALTHY),
            Series(label="threshold of the phase", values=threshold, style=LIMIT),
            Series(label="in alarm", values=_shown(timeline.alarm), style=OWN, points=True),
        ),
        marks=tuple(Mark(label="alert", at=at_s, style=LIMIT) for at_s in timeline.alerts_s[:MOST_MARKS]),
    ).document()


def _shown(values: Iterable[float]) -> NDArray[np.float64]:
    """Values that a logarithmic axis takes; others leave a gap."""
    found = np.array(list(values), dtype=np.float64)
    return np.where(found > 0.0, found, np.nan)
