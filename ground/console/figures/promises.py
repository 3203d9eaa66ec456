"""What a detector's thresholds promise, beside what was measured: a line for each declared rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ground.calibration_curve import CalibrationPoint
from ground.report import words
from ground.report.view import RangeBar

KEPT: Final = "kept"
BROKEN: Final = "broken"
OPEN: Final = "cannot be told"

_FULL = 0.6
"""The share at the right end of the scale: beyond the largest declared rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseLine:
    """One declared rate.

    Attributes:
        declared: Bound on the share of healthy flights with an alarm.
        measured: What it was in the test flights.
        bounds: One-sided bounds of that.
        flights: Flights with an alarm, of how many.
        verdict: ``kept``, ``broken`` or ``cannot be told``: whether the bounds lie on one side of the promise.
        badge: Its colour: ``pass``, ``fail`` or ``open``.
        note: Whether the calibration flights were enough for the rate.
        bar: Where all this lies on a scale.
    """

    declared: str
    measured: str
    bounds: str
    flights: str
    verdict: str
    badge: str
    note: str
    bar: RangeBar


def promise_lines(points: Sequence[CalibrationPoint]) -> tuple[PromiseLine, ...]:
    """The lines of the rates that were measured."""
    return tuple(_line(point) for point in points if point.flights and math.isfinite(point.measured))


def _line(point: CalibrationPoint) -> PromiseLine:
    verdict, badge = _verdict(point)
    return PromiseLine(
        declared=words.share(point.declared),
        measured=words.share(point.measured),
        bounds=f"{words.share(point.bounds.lower)} to {words.share(point.bounds.upper)}",
        flights=f"{point.alarmed:,} of {point.flights:,}",
        verdict=verdict,
        badge=badge,
        note=f"confidence {point.confidence:.3f}" + (", too few flights" if point.insufficient_flights else ""),
        bar=RangeBar(
            lower=_place(point.bounds.lower), upper=_place(point.bounds.upper), point=_place(point.measured),
            limit=_place(point.declared),
        ),
    )  # fmt: skip


def _verdict(point: CalibrationPoint) -> tuple[str, str]:
    if point.bounds.upper <= point.declared:
        return KEPT, "pass"
    if point.bounds.lower > point.declared:
        return BROKEN, "fail"
    return OPEN, "open"


def _place(share: float) -> float:
    return round(100.0 * min(max(share / _FULL, 0.0), 1.0), 2)
