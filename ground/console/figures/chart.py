"""Lines over time as ``static/plots.js`` draws them: what it is given, as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from edge_agent.frame import NS_PER_S
from ground.console.data.engine_flights import FlightLine
from ground.console.data.timeline import Timeline

Plot = dict[str, Any]
Values = list[float | None]

MOST_MARKS: Final = 20
"""Alerts that are marked in one flight; the table has all."""

_SCORE: Final = "healthy"
_SECOND: Final = "second"
_ALARM: Final = "own"
_LIMIT: Final = "limit"
_THRESHOLD_RATIO = 1.0


def score_plot(flights: Sequence[FlightLine]) -> Plot:
    """The scores of flights over time, each over its threshold.

    Args:
        flights: In any order; those that nobody has summed up, or in which nothing was assessed, are left out.
    """
    ordered = sorted((each for each in flights if each.highest > 0.0), key=lambda each: each.first_ns)
    if not ordered:
        return absent("No flight with a score has been summed up yet.")
    alerts = _shown(each.highest if each.raised else 0.0 for each in ordered)
    return {
        "x": {
            "label": "start of the flight", "unit": "UTC", "time": True,
            "values": [each.first_ns / NS_PER_S for each in ordered],
        },
        "y": {"label": "score / threshold", "unit": "1", "log": True},
        "series": [
            _series("highest of the flight", _SCORE, _shown(each.highest for each in ordered)),
            _series("median of the flight", _SECOND, _shown(each.p50 for each in ordered)),
            {**_series("flight with an alert", _ALARM, alerts), "points": True},
        ],
        "lines": [{"label": "threshold", "at": _THRESHOLD_RATIO, "style": _LIMIT}],
    }  # fmt: skip


def window_plot(timeline: Timeline) -> Plot:
    """The scores of one flight's windows beside their thresholds."""
    if not any(timeline.score):
        return absent("No window of this flight was assessed, so there is no score.")
    return {
        "x": {"label": "time since the first window", "unit": "s", "values": list(timeline.end_s)},
        "y": {"label": "score", "unit": "1", "log": True},
        "series": [
            _series("score", _SCORE, _shown(timeline.score)),
            _series("threshold of the phase", _SECOND, _shown(timeline.threshold)),
            {**_series("in alarm", _ALARM, _shown(timeline.alarm)), "points": True},
        ],
        "marks": [{"label": "alert", "from": at_s, "style": _LIMIT} for at_s in timeline.alerts_s[:MOST_MARKS]],
    }


def absent(text: str) -> Plot:
    """Says why there is nothing to draw."""
    return {"absent": text}


def _series(label: str, style: str, values: Values) -> Plot:
    return {"label": label, "style": style, "values": values}


def _shown(values: Iterable[float | None]) -> Values:
    """Values that a logarithmic axis takes; others leave a gap."""
    return [value if value is not None and 0.0 < value < math.inf else None for value in values]
