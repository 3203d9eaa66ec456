"""Velocity RMS by integration of acceleration: the quantity by which ISO 20816 judges machines.

A tone between two lines of a Hann-tapered transform is spread over its neighbours, and the weight 1/f² of integration
bends over them: uncorrected, a tone at the fifth line would read 2 % high. The correction takes out the bend to second
order: the spread of the taper's power is a third of a line, squared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import LOG, Feature

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

MM_S2 = {"g": 9806.65, "m/s2": 1000.0}
"""Millimetres per second squared in one unit of acceleration."""


class VelocityMaker:
    """Integrates densities of acceleration by the constants of one spec."""

    def __init__(self, spec: FeatureSpec) -> None:
        group, line_hz = spec.velocity, spec.line_hz
        low, high = group.low_hz / line_hz, group.high_hz / line_hz
        number = np.arange(math.floor(low + 0.5), min(math.ceil(high + 0.5), spec.spectrum.segment_n // 2 + 1))
        self._lines = slice(number[0], number[-1] + 1)
        # A line reaches half a line to either side: of those at the ends of the band, a share lies inside.
        inside = np.minimum(number + 0.5, high) - np.maximum(number - 0.5, low)
        reciprocal = 1.0 / (number * number)
        mm_s = MM_S2[spec.channels[0].unit] / (2.0 * math.pi * line_hz)
        self._weight = mm_s * mm_s * line_hz * inside * reciprocal * (1.0 - reciprocal)

    def rms_mm_s(self, psd: NDArray[np.float64]) -> float:
        """Velocity RMS of a window in mm/s.

        Args:
            psd: (n_line,) one-sided density of acceleration with its DC line.
        """
        return math.sqrt(float(np.add.reduce(psd[self._lines] * self._weight)))


def velocity_features(spec: FeatureSpec) -> tuple[Feature, ...]:
    """The feature of the velocity group."""
    group = spec.velocity
    return (
        Feature(
            f"velocity_rms_{group.low_hz:g}_{group.high_hz:g}_hz",
            "mm/s",
            LOG,
            "sqrt(sum(psd df / (2 pi f)^2) over the band)",
            "ISO 20816-1",
        ),
    )
