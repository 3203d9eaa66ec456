"""At which speeds of a shaft what a spec asks for can be measured: its orders, and the faults of its bearings."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from shared_features.bearing import fault_orders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared_features.groups import ShaftOrders
    from shared_features.spec import FeatureSpec

MAIN_LOBE_LINES = 2.0
"""Half the width of the main lobe of a Hann taper, in lines of the span that it tapers."""
GUARD_LINES = 6
"""Lines of the record, beyond those summed about an order, over which the gain of its band falls to 0: a sharp end in
the midst of a neighbour ten times as strong would cost 27 %."""

_EPSILON = 1e-9
_CLEAR_SEGMENT_LINES = 2.0
"""Nearer to 0 Hz, in lines of the segments, the segments mix an order with its mirror image."""


def speed_limits_hz(spec: FeatureSpec, shaft: str) -> tuple[float, float]:
    """Lowest and highest speed of ``shaft`` at which the spec's orders and bearing faults can be measured.

    From below: the lowest order (or sideband) is at least ``2 line_hz`` and ``4 / record_s`` from 0 Hz, the orders of
    one shaft are ``4 / record_s`` (two half main lobes) apart, and a band between two orders is one spectral line wide.
    From above: orders reach ``max_hz``, or with the outermost sidebands the Nyquist frequency less their tolerance and
    two main lobes; bands reach Nyquist. Faults of bearings lie between one cycle a record and the envelope's last line.

    Args:
        spec: A spec; without orders and bearings there are no limits.
        shaft: Name of the shaft.

    Returns:
        The two speeds; 0 and infinity where nothing limits them.
    """
    lowest, highest = [0.0], [math.inf]
    if spec.orders.enabled:
        lowest += _lowest_hz(spec, shaft)
        highest += _highest_hz(spec, shaft)
    if spec.envelope.enabled:
        for bearing in spec.envelope.bearings:
            if bearing.shaft == shaft:
                orders = fault_orders(bearing)
                lowest.append(1.0 / (spec.record_s * min(orders)))
                highest.append((envelope_lines(spec) - 0.5) / (spec.record_s * max(orders)))
    return max(lowest), min(highest)


def envelope_lines(spec: FeatureSpec) -> int:
    """Lines of the envelope spectrum: no two lines of its band differ by more than the band is wide."""
    low_hz, high_hz = spec.envelope.band_hz
    width_hz = (_lines_below(high_hz / spec.line_hz) - _lines_below(low_hz / spec.line_hz)) * spec.line_hz
    return math.floor(width_hz * spec.record_s + _EPSILON)


def _lines_below(lines: float) -> int:
    return math.ceil(lines - _EPSILON)


def band_margin_hz(spec: FeatureSpec, frequency_hz: float) -> float:
    """How far the band that an order at ``frequency_hz`` is taken from reaches beyond it, on either side."""
    return spec.orders.tolerance * frequency_hz + (MAIN_LOBE_LINES + GUARD_LINES) / spec.record_s


def _lowest_hz(spec: FeatureSpec, shaft: str) -> Iterator[float]:
    apart_hz = 2.0 * MAIN_LOBE_LINES / spec.record_s
    for part in spec.orders.shafts:
        if part.shaft == shaft:
            orders = sorted(_orders(part))
            yield max(apart_hz, _CLEAR_SEGMENT_LINES * spec.line_hz) / orders[0]
            yield from (apart_hz / (above - below) for below, above in pairwise(orders))
    yield from (spec.line_hz / (band.high - band.low) for band in spec.orders.bands if band.shaft == shaft)


def _orders(part: ShaftOrders) -> set[float]:
    """All orders of one shaft, sidebands too."""
    sides = {
        carrier.order + side for carrier in part.carriers for side in range(-carrier.sidebands, carrier.sidebands + 1)
    }
    return sides.union(part.orders)


def _highest_hz(spec: FeatureSpec, shaft: str) -> Iterator[float]:
    nyquist_hz = 0.5 * spec.sampling_rate_hz
    # An order nearer to Nyquist would be mixed with its mirror image.
    clear_hz = (nyquist_hz - 2.0 * MAIN_LOBE_LINES / spec.record_s) / (1.0 + spec.orders.tolerance)
    for part in spec.orders.shafts:
        if part.shaft == shaft:
            yield from (min(spec.orders.max_hz, clear_hz) / order for order in part.orders)
            outermost = (carrier.order + carrier.sidebands for carrier in part.carriers)
            yield from (clear_hz / order for order in outermost)
    yield from (nyquist_hz / band.high for band in spec.orders.bands if band.shaft == shaft)
