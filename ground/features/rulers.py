"""Where orders and faults lie at the speeds of a window: the rulers above a spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ground.features.excerpt import Excerpt
from ground.report.figure import BLUE, GREEN, ORANGE, VERMILLION
from shared_features.bearing import fault_orders
from shared_features.groups import BearingSpec, ShaftOrders
from shared_features.spec import FeatureSpec

SHAFT_COLORS: Final = {"n1": BLUE, "n2": GREEN}
_PLUM: Final = "#882255"
_SLATE: Final = "#52606D"
_FAULT_COLORS: Final = {"bpfo": VERMILLION, "bpfi": BLUE, "bsf": GREEN, "ftf": _PLUM}
_USUAL_ORDERS: Final = ShaftOrders("", orders=(1.0, 2.0, 3.0))
_NARROWEST_LINES = 2.0
_STEADY_HZ = 0.05
_STEADY_SHARE = 0.005
_WIDEST_SHARE = 0.15
_WIDEST_HZ = 5.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on a ruler.

    Attributes:
        label: What lies there; empty for a minor one.
        at: Frequency or order.
        low: Where what belongs to it begins.
        high: Where that ends.
    """

    label: str
    at: float
    low: float
    high: float

    @property
    def is_narrow(self) -> bool:
        """Whether the span says something: in a run-up it covers half the panel."""
        return self.high - self.low <= _WIDEST_SHARE * self.at or self.high - self.low <= _WIDEST_HZ


@dataclass(frozen=True, slots=True)
class Ruler:
    """A row of marks in one colour.

    Attributes:
        caption: Of what they are.
        color: Their colour.
        marks: Places with lines through the panel.
        spans: Bands, drawn as bars in the row.
    """

    caption: str
    color: str
    marks: tuple[Mark, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a shaft turned in a window, Hz."""

    low_hz: float
    mean_hz: float
    high_hz: float

    @property
    def is_steady(self) -> bool:
        """Whether one number tells it."""
        return self.high_hz - self.low_hz <= max(_STEADY_HZ, _STEADY_SHARE * self.mean_hz)

    @property
    def text(self) -> str:
        """One number, or the range where the speed changed."""
        if self.is_steady:
            return f"{self.mean_hz:.4g} Hz"
        return f"{self.low_hz:.3g} to {self.high_hz:.3g} Hz"


def speeds_of(excerpt: Excerpt) -> dict[str, Speed]:
    """The speeds of the shafts that are known: by the spec's own source, else as they were reported."""
    speeds = {shaft: Speed(*_reported(values)) for shaft, values in excerpt.speeds_hz.items() if _is_known(values)}
    for index, shaft in enumerate(excerpt.spec.shafts):
        turned = [record[index] for record in excerpt.rotations if record[index].mean_hz > 0.0]
        speeds.pop(shaft.name, None)
        if turned:
            low_hz, high_hz = min(one.low_hz for one in turned), max(one.high_hz for one in turned)
            speeds[shaft.name] = Speed(low_hz, math.fsum(one.mean_hz for one in turned) / len(turned), high_hz)
    return dict(sorted(speeds.items()))


def order_rulers(excerpt: Excerpt, speeds: dict[str, Speed]) -> tuple[Ruler, ...]:
    """One ruler a shaft with the orders of the spec, or 1x, 2x, 3x where it names none, and one an order band."""
    group = excerpt.spec.orders
    parts = {part.shaft: part for part in group.shafts} if group.enabled else {}
    rulers = [_shaft_ruler(shaft, speed, parts.get(shaft, _USUAL_ORDERS)) for shaft, speed in speeds.items()]
    for band in group.bands if group.enabled else ():
        if band.shaft in speeds:
            span = (band.low * speeds[band.shaft].mean_hz, band.high * speeds[band.shaft].mean_hz)
            caption = f"{band.shaft.upper()} {band.low:g}-{band.high:g}x"
            rulers.append(Ruler(caption, SHAFT_COLORS.get(band.shaft, ORANGE), spans=(span,)))
    return tuple(rulers)


def band_rulers(spec: FeatureSpec) -> tuple[Ruler, ...]:
    """The bands that velocity and envelope are read from."""
    rulers = []
    if spec.velocity.enabled:
        rulers.append(Ruler("velocity", _SLATE, spans=((spec.velocity.low_hz, spec.velocity.high_hz),)))
    if spec.envelope.enabled:
        rulers.append(Ruler("envelope", _PLUM, spans=(spec.envelope.band_hz,)))
    return tuple(rulers)


def turn_rulers(speeds: dict[str, Speed]) -> tuple[Ruler, ...]:
    """One ruler a shaft with its 1x, 2x, 3x, which modulate what a turning part strikes."""
    rulers = (_shaft_ruler(shaft, speed, _USUAL_ORDERS) for shaft, speed in speeds.items())
    return tuple(replace(ruler, color=_SLATE) for ruler in rulers)


def fault_rulers(excerpt: Excerpt, speeds: dict[str, Speed]) -> tuple[Ruler, ...]:
    """One ruler a fault of each bearing whose shaft has a known speed."""
    group = excerpt.spec.envelope
    if not group.enabled:
        return ()
    known = [(bearing, speeds[bearing.shaft]) for bearing in group.bearings if bearing.shaft in speeds]
    return tuple(ruler for bearing, speed in known for ruler in _bearing_rulers(excerpt, bearing, speed))


def _is_known(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).any()) and float(np.nanmax(values)) > 0.0


def _reported(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(np.nanmin(values)), float(np.nanmean(values)), float(np.nanmax(values))


def _shaft_ruler(shaft: str, speed: Speed, part: ShaftOrders) -> Ruler:
    marks = [_order_mark(order, speed, _multiple(order)) for order in part.orders]
    for carrier in part.carriers:
        sides = (side for k in range(1, carrier.sidebands + 1) for side in (carrier.order - k, carrier.order + k))
        marks += [_order_mark(carrier.order, speed, _multiple(carrier.order))]
        marks += [_order_mark(order, speed, "") for order in sides]
    return Ruler(f"{shaft.upper()} {speed.text}", SHAFT_COLORS.get(shaft, ORANGE), tuple(marks))


def _order_mark(order: float, speed: Speed, label: str) -> Mark:
    return Mark(label, order * speed.mean_hz, order * speed.low_hz, order * speed.high_hz)


def _bearing_rulers(excerpt: Excerpt, bearing: BearingSpec, speed: Speed) -> Iterator[Ruler]:
    group = excerpt.spec.envelope
    least_hz = _NARROWEST_LINES / excerpt.spec.record_s
    for fault, order in fault_orders(bearing)._asdict().items():
        marks = []
        for harmonic in range(1, group.harmonics + 1):
            low_hz, mean_hz, high_hz = (harmonic * order * one for one in (speed.low_hz, speed.mean_hz, speed.high_hz))
            low_hz -= max(group.tolerance * low_hz, least_hz)
            high_hz += max(group.tolerance * high_hz, least_hz)
            marks.append(Mark(_multiple(harmonic), mean_hz, low_hz, high_hz))
        caption = f"{bearing.name} {fault.upper()} {order * speed.mean_hz:.4g} Hz"
        yield Ruler(caption, _FAULT_COLORS[fault], tuple(marks))


def _multiple(order: float) -> str:
    return f"{order:g}x"


def highest(rulers: Sequence[Ruler]) -> float:
    """The highest mark of some rulers; 0 where there are none."""
    return max((mark.at for ruler in rulers for mark in ruler.marks), default=0.0)
