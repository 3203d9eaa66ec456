"""Fault frequencies of rolling bearings, and their energies in an envelope spectrum.

Source: R. B. Randall, J. Antoni, "Rolling element bearing diagnostics - A tutorial", Mech. Syst. Signal Process. 25
(2011), equations 1 to 4. They hold without slip and with the outer ring at rest; real bearings run 1-2 % off, which the
tolerance of the envelope group covers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.twiddles import cosine

if TYPE_CHECKING:
    from shared_features.groups import BearingSpec
    from shared_features.spec import FeatureSpec

_MAIN_LOBE = 2.0
"""Lines to either side of a Hann-tapered modulation that hold 99.9 % of its power."""
_LOWEST = 0.5
"""Lower border of line 1, in lines: what lies below is the mean."""


class FaultOrders(NamedTuple):
    """Fault frequencies over the rotation frequency of the shaft in the inner ring.

    Attributes:
        bpfo: Rolling elements that pass a place on the outer ring.
        bpfi: Rolling elements that pass a place on the inner ring.
        bsf: Spin of one rolling element. A damaged one strikes twice a turn: its second harmonic leads.
        ftf: Turns of the cage (fundamental train frequency).
    """

    bpfo: float
    bpfi: float
    bsf: float
    ftf: float


def fault_orders(bearing: BearingSpec) -> FaultOrders:
    """Fault orders of a geometry, which ``BearingSpec`` found possible."""
    ratio = bearing.ball_mm / bearing.pitch_mm * float(cosine(np.array([bearing.contact_deg / 360.0]))[0])
    half_n = bearing.n_ball / 2.0
    return FaultOrders(
        bpfo=half_n * (1.0 - ratio),
        bpfi=half_n * (1.0 + ratio),
        bsf=bearing.pitch_mm / (2.0 * bearing.ball_mm) * (1.0 - ratio * ratio),
        ftf=(1.0 - ratio) / 2.0,
    )


class FaultLines:
    """Where the harmonics of the faults lie in the envelope spectrum, at any speed.

    Holds scratch memory, and the places for the speeds it met last: channels share them, and often records do.

    Attributes:
        names: (n_fault,) the name of each fault: ``<bearing>_<fault>``.
    """

    def __init__(self, spec: FeatureSpec, line_n: int) -> None:
        """Prepare the faults of all bearings of a spec, whose envelope spectrum has ``line_n`` lines."""
        bearings = spec.envelope.bearings
        shafts = [shaft.name for shaft in spec.shafts]
        self.names = fault_names(bearings)
        shaft = [shafts.index(part.shaft) for part in bearings for _ in FaultOrders._fields]
        self._shaft = np.array(shaft, dtype=np.intp)[:, np.newaxis]
        cycles = np.array([order for part in bearings for order in fault_orders(part)]) * spec.record_s
        self._cycles = cycles[:, np.newaxis] * np.arange(1.0, spec.envelope.harmonics + 1.0)
        self._tolerance = spec.envelope.tolerance
        self._highest = line_n - _LOWEST
        self._borders = np.empty((*self._cycles.shape, 2))
        self._speeds = b"none yet"

    def fit(self, speeds_hz: NDArray[np.float64]) -> bool:
        """Whether the first harmonic of each fault lies in the spectrum, at one cycle a record or more.

        Args:
            speeds_hz: (n_shaft,) rotation frequencies; nothing fits at a NaN.
        """
        self._find(speeds_hz)
        return self._fit

    def energies(self, power: NDArray[np.float64], speeds_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the power about the harmonics of each fault; where they overlap, a line counts once.

        Args:
            power: (line_n + 1,) power of each line, and one zero.
            speeds_hz: (n_shaft,) rotation frequencies.

        Returns:
            (n_fault,) in the unit of the power. A line on a border counts by its share, so that a hair of speed moves
            no whole line. What lies above the spectrum does not count; nothing does at speeds that do not fit.
        """
        self._find(speeds_hz)
        # Not as differences of one cumulated sum: a weak fault would keep the rounding of the strongest line. A span
        # takes a line or more, or nothing but the zero at the end, so that it is never a single element of reduceat.
        whole = np.add.reduceat(power, self._line)[::2]
        part = self._share * power.take(self._line)
        spans = whole - part[0::2]
        spans += part[1::2]
        return np.asarray(np.add.reduce(spans.reshape(self._cycles.shape), axis=1))

    def _find(self, speeds_hz: NDArray[np.float64]) -> None:
        speeds = speeds_hz.tobytes()
        if speeds == self._speeds:
            return
        self._speeds = speeds
        centre = self._cycles * speeds_hz[self._shaft]
        self._fit = bool(((centre[:, 0] >= 1.0) & (centre[:, 0] <= self._highest)).all())
        if self._fit:
            self._place(centre)
        else:
            self._borders[:] = self._highest
        # Line k reaches from k - 1/2 to k + 1/2: shifted, its lower border is k.
        shifted = self._borders.reshape(-1) + _LOWEST
        self._line = shifted.astype(np.intp)
        self._share = shifted - self._line

    def _place(self, centre: NDArray[np.float64]) -> None:
        low, high = self._borders[..., 0], self._borders[..., 1]
        half = np.maximum(self._tolerance * centre, _MAIN_LOBE)
        np.add(centre, half, out=high)
        np.subtract(centre, half, out=low)
        np.maximum(low[:, 1:], high[:, :-1], out=low[:, 1:])
        np.clip(self._borders, _LOWEST, self._highest, out=self._borders)


def fault_names(bearings: tuple[BearingSpec, ...]) -> tuple[str, ...]:
    """Names of the faults of some bearings, in the order of the feature vector."""
    return tuple(f"{bearing.name}_{fault}" for bearing in bearings for fault in FaultOrders._fields)
