"""Fault frequencies of a rolling bearing, as orders of the shaft that turns its inner ring.

Source: R. B. Randall, J. Antoni, "Rolling element bearing diagnostics - A tutorial", Mech. Syst. Signal Process. 25
(2011), equations 1 to 4. They hold without slip and with the outer ring at rest; real bearings run 1-2 % off, which the
tolerance of the envelope group covers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared_features.groups import BearingSpec


@dataclass(frozen=True, slots=True)
class FaultOrders:
    """Fault frequencies over the shaft's rotation frequency.

    Attributes:
        bpfo: Rolling elements passing a place on the outer ring.
        bpfi: Rolling elements passing a place on the inner ring.
        bsf: Spin of one rolling element. A damaged one strikes both rings in a turn: look at the second harmonic too.
        ftf: Turns of the cage (fundamental train).
    """

    bpfo: float
    bpfi: float
    bsf: float
    ftf: float


def fault_orders(bearing: BearingSpec) -> FaultOrders:
    """Fault orders of a geometry that ``BearingSpec`` found possible."""
    ratio = bearing.ball_mm / bearing.pitch_mm * math.cos(math.radians(bearing.contact_deg))
    half_n = bearing.n_ball / 2.0
    return FaultOrders(
        bpfo=half_n * (1.0 - ratio),
        bpfi=half_n * (1.0 + ratio),
        bsf=bearing.pitch_mm / (2.0 * bearing.ball_mm) * (1.0 - ratio * ratio),
        ftf=(1.0 - ratio) / 2.0,
    )
