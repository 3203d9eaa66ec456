"""At which speeds of a shaft the orders that a spec asks for can be told apart and lie below their upper limits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared_features.groups import ShaftOrders
    from shared_features.spec import FeatureSpec

MAIN_LOBE_LINES = 2.0
"""Half the width of the main lobe of a Hann taper, in lines of the span that it tapers."""
GUARD_LINES = 6
"""Lines of the record, beyond those summed about an order, over which the gain of its band falls to 0: a sharp end in
the midst of a neighbour ten times as strong would cost 27 %."""

_CLEAR_SEGMENT_LINES = 2.0
"""Nearer to 0 Hz, in lines of the segments, the segments mix an order with its mirror image."""


def speed_limits_hz(spec: FeatureSpec, shaft: str) -> tuple[float, float]:
    """Lowest and highest speed of ``shaft`` at which the spec's orders can be measured.

    From below: the lowest order (or sideband) is at least ``2 line_hz`` and ``4 / record_s`` from 0 Hz, the orders of
    one shaft are ``4 / record_s`` (two half main lobes) apart, and a band between two orders is one spectral line wide.
    From above: orders reach ``max_hz``, bands and the outermost sidebands, with their tolerance, the Nyquist frequency.

    Args:
        spec: A spec; without the orders group there are no limits.
        shaft: Name of the shaft.

    Returns:
        The two speeds; 0 and infinity where nothing limits them.
    """
    if not spec.orders.enabled:
        return 0.0, math.inf
    return max(_lowest_hz(spec, shaft), default=0.0), min(_highest_hz(spec, shaft), default=math.inf)


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
    for part in spec.orders.shafts:
        if part.shaft == shaft:
            yield from (spec.orders.max_hz / order for order in part.orders)
            outermost = (carrier.order + carrier.sidebands for carrier in part.carriers)
            yield from (nyquist_hz / (order * (1.0 + spec.orders.tolerance)) for order in outermost)
    yield from (nyquist_hz / band.high for band in spec.orders.bands if band.shaft == shaft)
