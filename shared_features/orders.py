"""Levels of shaft orders: of what shakes at multiples of a shaft's speed, and between two of them.

Levels are RMS, as ISO 20816 and those who read it tell them; the peak amplitude of a pure order is sqrt(2) times that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import LOG, Feature
from shared_features.order_tracking import OrderTracker
from shared_features.record_lines import RecordLines
from shared_features.speed_limits import band_margin_hz

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared_features.fold import Fold
    from shared_features.groups import Carrier
    from shared_features.rotation import Rotation
    from shared_features.spec import FeatureSpec

_TRACKING = "K. R. Fyfe, E. D. S. Munck, Mech. Syst. Signal Process. 11 (1997)"
_WELCH = "P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967)"
_BAND_STEP_LINES = 8
"""Bands of carriers end on multiples of so many lines of the segments: a band serves until the speed has changed."""


class OrdersMaker:
    """Measures the orders of one record after the other; holds scratch memory, so one maker serves one thread.

    The powers are those of the orders of all shafts, then of all carriers, each with the sum of its sidebands, then of
    the bands between two orders. Channels of one record share the work that its rotations ask for.

    Attributes:
        n: How many powers there are.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        index = {shaft.name: position for position, shaft in enumerate(spec.shafts)}
        parts = spec.orders.shafts
        orders = [(index[part.shaft], order) for part in parts for order in part.orders]
        self._line_hz = spec.line_hz
        self._low = [_LowOrders(spec, orders)] if orders else []
        self._carriers = [_CarrierOrders(spec, index[part.shaft], one) for part in parts for one in part.carriers]
        self._bands = [(index[band.shaft], band) for band in spec.orders.bands]
        self._n_tracked = len(orders) + 2 * len(self._carriers)
        self.n = self._n_tracked + len(self._bands)
        self._followed: tuple[Rotation, ...] = ()

    def energies(
        self, lines: NDArray[np.complex128], psd: NDArray[np.float64], rotations: tuple[Rotation, ...]
    ) -> NDArray[np.float64]:
        """Powers of one record; a window has their mean.

        Args:
            lines: (n_segment, n_line) unscaled lines of the record's Hann-tapered segments, C-contiguous.
            psd: (n_line,) one-sided density of the record, unit²/Hz.
            rotations: How the spec's shafts turned.

        Returns:
            (n,) float64 mean squares, unit²; zeros where a rotation has a reason: such a record is not assessed.
        """
        return np.concatenate([self.tracked(lines, rotations), self.banded(psd, rotations)])

    def tracked(self, lines: NDArray[np.complex128], rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
        """The first of the powers, those of orders, carriers and sidebands; see ``energies``."""
        if not self._n_tracked or any(rotation.reason for rotation in rotations):
            return np.zeros(self._n_tracked)
        parts: list[_LowOrders | _CarrierOrders] = [*self._low, *self._carriers]
        # All channels of a record come with the very same rotations.
        if len(self._followed) != len(rotations) or any(map(_differ, self._followed, rotations)):
            for part in parts:
                part.follow(rotations)
            self._followed = rotations
        return np.concatenate([part.powers(lines) for part in parts])

    def banded(self, psd: NDArray[np.float64], rotations: tuple[Rotation, ...]) -> NDArray[np.float64]:
        """The last of the powers, those between two orders of the mean speed; see ``energies``."""
        found = np.zeros(len(self._bands))
        if not any(rotation.reason for rotation in rotations):
            for position, (shaft, band) in enumerate(self._bands):
                speed_lines = rotations[shaft].mean_hz / self._line_hz
                found[position] = self._line_hz * _between(psd, band.low * speed_lines, band.high * speed_lines)
        return found


class _LowOrders:
    """The orders of all shafts up to ``max_hz``."""

    def __init__(self, spec: FeatureSpec, orders: list[tuple[int, float]]) -> None:
        max_hz = spec.orders.max_hz
        self._lines = RecordLines(spec, 0.0, max_hz + band_margin_hz(spec, max_hz))
        shafts, multiples = zip(*orders, strict=True)
        self._tracker = OrderTracker(spec, np.array(multiples), np.array(shafts))

    def follow(self, rotations: tuple[Rotation, ...]) -> None:
        self._tracker.follow(self._lines, rotations)

    def powers(self, lines: NDArray[np.complex128]) -> NDArray[np.float64]:
        return self._tracker.powers(self._lines.of(lines))


class _CarrierOrders:
    """One carrier with its sidebands, in a band that goes where the shaft's speed takes it."""

    def __init__(self, spec: FeatureSpec, shaft: int, carrier: Carrier) -> None:
        self._spec = spec
        self._shaft = shaft
        self._sidebands = carrier.sidebands
        self._orders = carrier.order + np.arange(-carrier.sidebands, carrier.sidebands + 1.0)
        self._tracker = OrderTracker(spec, self._orders, np.full(self._orders.size, shaft))
        self._ends = (0, 0)

    def follow(self, rotations: tuple[Rotation, ...]) -> None:
        lowest_hz = float(self._orders[0]) * rotations[self._shaft].low_hz
        highest_hz = float(self._orders[-1]) * rotations[self._shaft].high_hz
        margin_hz = band_margin_hz(self._spec, highest_hz)
        step_hz = _BAND_STEP_LINES * self._spec.line_hz
        ends = math.floor(max(lowest_hz - margin_hz, 0.0) / step_hz), math.ceil((highest_hz + margin_hz) / step_hz)
        if ends != self._ends:
            self._lines, self._ends = RecordLines(self._spec, ends[0] * step_hz, ends[1] * step_hz), ends
        self._tracker.follow(self._lines, rotations)

    def powers(self, lines: NDArray[np.complex128]) -> NDArray[np.float64]:
        found = self._tracker.powers(self._lines.of(lines))
        below, above = found[: self._sidebands], found[self._sidebands + 1 :]
        return np.array([found[self._sidebands], np.add.reduce(below) + np.add.reduce(above)])


def order_features(spec: FeatureSpec) -> tuple[Feature, ...]:
    """The features of the orders group, in the order of the powers of ``OrdersMaker``."""
    return tuple(Feature(name, "{u}", LOG, formula, source) for name, formula, source in _described(spec))


def order_values(fold: Fold) -> list[float]:
    """The orders of a window, one for each of ``order_features``."""
    levels: list[float] = np.sqrt(fold.orders).tolist()
    return levels


def order_spectrum(
    spec: FeatureSpec, lines: NDArray[np.complex128], rotation: Rotation, orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """RMS about each of some orders of a shaft in one record, for plots.

    Args:
        spec: A spec with the orders group.
        lines: (n_segment, n_line) unscaled lines of the record's Hann-tapered segments, C-contiguous.
        rotation: How the shaft turned, without a reason.
        orders: (n,) positive; what they reach above Nyquist is zero.

    Returns:
        (n,) float64, in the unit of the samples.
    """
    highest_hz = float(orders.max()) * rotation.high_hz
    band = RecordLines(spec, 0.0, highest_hz + band_margin_hz(spec, highest_hz))
    tracker = OrderTracker(spec, orders, np.zeros(orders.size, dtype=np.intp))
    tracker.follow(band, (rotation,))
    return np.asarray(np.sqrt(tracker.powers(band.of(lines))))


def _described(spec: FeatureSpec) -> Iterator[tuple[str, str, str]]:
    """Name, formula and source of each power."""
    parts = spec.orders.shafts
    for part in parts:
        for order in part.orders:
            yield f"{part.shaft}_{order:g}x", f"RMS at {order:g} {part.shaft}", _TRACKING
    for part in parts:
        for carrier in part.carriers:
            name, centre = f"{part.shaft}_{carrier.order:g}x", f"{carrier.order:g} {part.shaft}"
            sides = f"{centre} + k {part.shaft}, k = ±1..±{carrier.sidebands}"
            yield name, f"RMS at {centre}", _TRACKING
            yield f"{name}_sidebands", f"sqrt(sum(RMS^2 at {sides}))", _TRACKING
    for band in spec.orders.bands:
        edges = f"from {band.low:g} {band.shaft} to {band.high:g} {band.shaft}"
        yield f"{band.shaft}_order_{band.low:g}_{band.high:g}", f"sqrt(sum(psd df)), {edges}", _WELCH


def _between(psd: NDArray[np.float64], low: float, high: float) -> float:
    """Sum of the lines from ``low`` to ``high``, in lines; line ``k`` reaches half a line to either side of ``k``."""
    begin, end = max(low + 0.5, 1.0), high + 0.5
    first, last = int(begin), int(end)
    inside = float(np.add.reduce(psd[first:last]))
    return inside - (begin - first) * float(psd[first]) + (end - last) * float(psd[last])


def _differ(one: Rotation, other: Rotation) -> bool:
    return one is not other
