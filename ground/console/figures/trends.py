"""How features moved from flight to flight: small charts with the healthy band, and a heat table of band powers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ground.console.data.levels import FlightLevel, Levels
from ground.console.data.scales import SPREADS, BundleScales, FeatureScale
from ground.report import words

BAND_SPREADS: Final = 1.645
"""Half of the healthy band: 5 to 95 % of healthy training windows lie in it, were they normally distributed."""
MOST_PANELS: Final = 6
MOST_ROWS: Final = 20
"""Flights of the heat table, the newest."""
MOST_WIDE: Final = 14
"""Bands whose cells have room for a number."""
WIDTH: Final = 300.0
HEIGHT: Final = 90.0

_MARGIN = 6.0
_LEAST_RANGE = 3.0
_MOST_RANGE = 16.0
_LAST = 5
_STEPS = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One flight in a panel.

    Attributes:
        x: In the drawing.
        y: In the drawing; cut at its edge.
        flight: Its identity.
        from_ns: When it began.
        value: The mean of the feature, with unit.
        spreads: The same in spreads.
        is_outside: Whether it lies outside the healthy band.
    """

    x: float
    y: float
    flight: str
    from_ns: int
    value: str
    spreads: float
    is_outside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One feature over flights.

    Attributes:
        name: The feature in words.
        healthy: The healthy band with unit.
        last: The newest value with unit.
        sentence: The same for those who do not see it.
        line: Points of the line, as SVG takes them.
        band_y: Upper edge of the healthy band in the drawing.
        band_height: Its height.
        points: The flights.
    """

    name: str
    healthy: str
    last: str
    sentence: str
    line: str
    band_y: float
    band_height: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One band of one flight: how far it lies from healthy, as text, and as a class of colour from n4 to p4."""

    text: str
    level: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One flight."""

    flight: str
    from_ns: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HeatTable:
    """Band powers of one channel over flights, the newest first; ``bands`` are their limits in Hz."""

    channel: str
    bands: tuple[str, ...]
    rows: tuple[HeatRow, ...]

    @property
    def is_dense(self) -> bool:
        """Whether there are so many bands that colours alone have room."""
        return len(self.bands) > MOST_WIDE


def panels(levels: Levels, scales: BundleScales, named: Sequence[str]) -> tuple[Panel, ...]:
    """The features that say most.

    Args:
        levels: Levels of one phase.
        scales: What the features are.
        named: Features that alerts of this engine named, the most telling first; they come first.
    """
    if not levels.flights:
        return ()
    return tuple(_panel(index, levels.flights, scales.at(index)) for index in _chosen(levels, scales, named))


def heat_tables(levels: Levels, scales: BundleScales) -> tuple[HeatTable, ...]:
    """Band powers, one table a channel; none where the detector has no bands, or its names are not known."""
    bands: dict[str, list[tuple[tuple[float, float], int]]] = {}
    for index, feature in enumerate(scales.features):
        band = words.band_of(feature.name)
        if band is not None:
            bands.setdefault(words.channel_of(feature.name), []).append((band, index))
    newest = levels.flights[::-1][:MOST_ROWS]
    return tuple(_heat_table(channel, sorted(found), newest) for channel, found in bands.items()) if newest else ()


def _chosen(levels: Levels, scales: BundleScales, named: Sequence[str]) -> list[int]:
    places = {feature.name: index for index, feature in enumerate(scales.features)}
    n_feature = len(levels.flights[-1].spreads)
    late = np.array([each.spreads for each in levels.flights[-_LAST:]])
    moved = np.argsort(-np.abs(late.mean(axis=0)), kind="stable")
    ordered = [places[name] for name in named if name in places] + [int(index) for index in moved]
    return [index for index in dict.fromkeys(ordered) if index < n_feature][:MOST_PANELS]


def _panel(index: int, flights: Sequence[FlightLevel], feature: FeatureScale) -> Panel:
    spreads = [float(each.spreads[index]) for each in flights]
    reach = min(max(_LEAST_RANGE, *(abs(value) for value in spreads)), _MOST_RANGE)
    points = tuple(
        _point(at / max(len(flights) - 1, 1), reach, each, value, feature)
        for at, (each, value) in enumerate(zip(flights, spreads, strict=True))
    )
    low, high = _told(feature, -BAND_SPREADS), _told(feature, BAND_SPREADS)
    healthy = f"{low} to {high}{words.unit_suffix(feature.unit)}"
    outside = sum(point.is_outside for point in points)
    name = feature.name if feature.unit == SPREADS else words.feature_name(feature.name)
    return Panel(
        name=name,
        healthy=healthy,
        last=points[-1].value,
        sentence=(
            f"{name}: now {points[-1].value}, healthy {healthy}; outside in {outside} of "
            f"{words.count(len(points), 'flight')}."
        ),
        line=" ".join(f"{point.x:.1f},{point.y:.1f}" for point in points),
        band_y=_height(BAND_SPREADS, reach),
        band_height=_height(-BAND_SPREADS, reach) - _height(BAND_SPREADS, reach),
        points=points,
    )


def _point(share: float, reach: float, each: FlightLevel, spreads: float, feature: FeatureScale) -> Point:
    return Point(
        x=_MARGIN + share * (WIDTH - 2.0 * _MARGIN),
        y=_height(spreads, reach),
        flight=each.flight,
        from_ns=each.from_ns,
        value=f"{_told(feature, spreads)}{words.unit_suffix(feature.unit)}",
        spreads=spreads,
        is_outside=abs(spreads) > BAND_SPREADS,
    )


def _told(feature: FeatureScale, spreads: float) -> str:
    return f"{spreads:+.2f}" if feature.unit == SPREADS else words.number(feature.physical(spreads))


def _height(spreads: float, reach: float) -> float:
    kept = min(max(spreads, -reach), reach)
    return HEIGHT / 2.0 - kept / reach * (HEIGHT / 2.0 - _MARGIN)


def _heat_table(
    channel: str, bands: list[tuple[tuple[float, float], int]], flights: Sequence[FlightLevel]
) -> HeatTable:
    return HeatTable(
        channel,
        tuple(f"{words.hertz(low)} to {words.hertz(high)}" for (low, high), _ in bands),
        tuple(
            HeatRow(each.flight, each.from_ns, tuple(_cell(float(each.spreads[index])) for _, index in bands))
            for each in flights
        ),
    )


def _cell(spreads: float) -> Cell:
    passed = sum(abs(spreads) >= step for step in _STEPS)
    sign = "p" if spreads > 0.0 else "n"
    return Cell(f"{spreads:+.1f}", f"{sign}{passed}" if passed else "z")
