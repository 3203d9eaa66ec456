"""Powers of orders in one record, followed through changes of speed by demodulation with the shaft's phase.

Multiplied by ``exp(-2 pi i order turns(t))``, an order stands still at 0 Hz however the shaft turned, and a few lines
hold its power. Of each order only a narrow band of the record's lines is taken, so that the products are short.
docs/adr/0010-order-tracking.md tells why it is not done by resampling to equal angles. Sources: K. R. Fyfe, E. D. S.
Munck, "Analysis of computed order tracking", Mech. Syst. Signal Process. 11 (1997); J. R. Blough, "Development and
analysis of time variant discrete Fourier transform order tracking", Mech. Syst. Signal Process. 17 (2003).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_features.baseband import transform_n
from shared_features.fourier import fft, ifft
from shared_features.speed_limits import GUARD_LINES, MAIN_LOBE_LINES
from shared_features.twiddles import cosine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.record_lines import RecordLines
    from shared_features.rotation import Rotation
    from shared_features.spec import FeatureSpec

T = TypeVar("T", bound=np.generic)

_STILL_LINES = 1.0
"""An order that sweeps over no more need not be turned back: 0.14 % of its level is lost at most."""
_CACHED = 128
_RISE = 0.5 - 0.5 * cosine((np.arange(float(GUARD_LINES)) + 0.5) / (2.0 * GUARD_LINES))
_RISES = np.stack([np.ones(GUARD_LINES), _RISE])[:, :, np.newaxis]
"""The gain at the lower end of a band that begins at line 0, and of any other."""
_TWICE_SINE = tuple(2.0 * (-1.0) ** (k // 2) / math.factorial(k) for k in range(11, 0, -2))
_TWICE_COSINE = tuple(2.0 * (-1.0) ** (k // 2) / math.factorial(k) for k in range(12, -1, -2))
"""Taylor's series: within an eighth of a turn, what is left out is below 1e-11."""


class OrderTracker:
    """Reads the powers of some orders out of one record after the other."""

    def __init__(self, spec: FeatureSpec, orders: NDArray[np.float64], shafts: NDArray[np.intp]) -> None:
        """Prepare for some orders.

        Args:
            spec: A spec with orders.
            orders: (n_order,) positive.
            shafts: (n_order,) for each the index of its shaft among the rotations.
        """
        self._record_s = spec.record_s
        self._record_n = spec.record_n
        self._tolerance = spec.orders.tolerance
        self._orders = orders
        self._shafts = shafts

    def follow(self, record_lines: RecordLines, rotations: Sequence[Rotation]) -> None:
        """Prepare for a record, of however many channels, in which the shafts turned like that.

        Args:
            record_lines: Where the lines will come from; its band holds the orders with their margins.
            rotations: How the shafts turned; those of the orders have no reason.
        """
        speeds = np.array([(turned.low_hz, turned.mean_hz, turned.high_hz) for turned in rotations]) * self._record_s
        low, mean, high = speeds.T[:, self._shafts] * self._orders
        reach = MAIN_LOBE_LINES + self._tolerance * mean
        if float((high - low).max()) <= _STILL_LINES:
            self._reader: _Still | _Moving = _Still(mean - record_lines.first, reach)
            return
        self._reader = _Moving(low, high, reach, record_lines)
        positions_n = _steps(self._reader.n) * self._record_n
        turns = np.empty((len(rotations), self._reader.n))
        for row, turned in zip(turns, rotations, strict=True):
            row[:] = turned.turns_at(positions_n)
        phase = turns[self._shafts]
        phase *= self._orders[:, np.newaxis]
        self._reader.turn(phase)

    def powers(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Mean squares of the orders in one channel of the record that is followed.

        Args:
            spectrum: What ``RecordLines.of`` made of the channel.

        Returns:
            (n_order,) float64.
        """
        return self._reader.powers(spectrum)


class _Still:
    """Reads orders that stay within a line, as in cruise: their lines lie still without being turned back."""

    def __init__(self, centre: NDArray[np.float64], reach: NDArray[np.float64]) -> None:
        widest = float(reach.max()) + 0.5
        first = np.ceil(centre - widest)
        self._index = first.astype(np.intp)[:, np.newaxis] + _count(int(2.0 * widest) + 1)
        distance = np.abs(self._index - centre[:, np.newaxis])
        self._weight = _limited((reach + 0.5)[:, np.newaxis] - distance)

    def powers(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        parts = spectrum.view(np.float64)
        squares = parts * parts
        power = (squares[0::2] + squares[1::2]).take(self._index)
        power *= self._weight
        return np.asarray(np.add.reduce(power, axis=1))


class _Moving:
    """Reads orders that sweep over lines: takes a band of each, and multiplies it by ``exp(-2 pi i order turns)``."""

    def __init__(
        self, low: NDArray[np.float64], high: NDArray[np.float64], reach: NDArray[np.float64], record_lines: RecordLines
    ) -> None:
        widest = float(reach.max())
        begin = np.maximum(np.floor(low - (widest + GUARD_LINES + record_lines.first)), 0.0)
        self.n = n = _transform_n(int(float((high - begin).max()) + widest) + GUARD_LINES - record_lines.first + 2)
        np.minimum(begin, float(record_lines.n - n), out=begin)
        self._index = begin.astype(np.intp)[:, np.newaxis] + _count(n)
        # 0 Hz is no end that cuts anything.
        self._rise = _RISES[np.minimum(begin, 1.0).astype(np.intp)]
        # The order comes to stand on line ``middle``, so that what is summed lies side by side.
        middle = int(widest + 0.5)
        self._shift = begin + (record_lines.first + middle)
        # Both transforms are unscaled, and the oscillators have the amplitude 2.
        self._weight = _limited((reach + 0.5)[:, np.newaxis] - _distance(middle)) / (4.0 * n * n)

    def turn(self, phase: NDArray[np.float64]) -> None:
        """Take the cycles of each order at ``n`` equal steps through the record, (n_order, n); they are used up."""
        phase -= self._shift[:, np.newaxis] * _steps(self.n)
        cosine, sine = _twice_unit(phase)
        # What pairs (real, imaginary), and pairs (imaginary, real), are multiplied by.
        self._cosines, self._sines = np.empty((*phase.shape, 2)), np.empty((*phase.shape, 2))
        self._cosines[:, :, 0] = cosine
        self._cosines[:, :, 1] = cosine
        self._sines[:, :, 0] = sine
        np.negative(sine, out=self._sines[:, :, 1])

    def powers(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        band = spectrum[self._index]
        # Pairs of reals: numpy's complex products have other bits where a processor can fuse them.
        pairs = band.view(np.float64).reshape(*band.shape, 2)
        pairs[:, :GUARD_LINES] *= self._rise
        pairs[:, -GUARD_LINES:] *= _RISE[::-1, np.newaxis]
        ifft(band, out=band)
        turned = pairs * self._cosines
        turned += pairs[:, :, ::-1] * self._sines
        lines = fft(turned.view(np.complex128)[:, :, 0], out=band)
        return _weighed(lines[:, : self._weight.shape[1]], self._weight)


def _weighed(lines: NDArray[np.complex128], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_order,) sums of the squared magnitudes of ``lines`` (n_order, n), by weight."""
    power = lines.real * lines.real
    power += lines.imag * lines.imag
    power *= weight
    return np.asarray(np.add.reduce(power, axis=1))


def _twice_unit(turns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Twice the cosine and the sine of ``2 pi turns``, within 1e-9: a third of the cost of two exact calls."""
    quarter = turns - np.rint(turns)
    quarter *= 0.5 * math.pi
    square = quarter * quarter
    sine = _series(_TWICE_SINE, square)
    sine *= quarter
    cosine = _series(_TWICE_COSINE, square)
    for _ in range(2):
        # Twice the angle: 2 sin 2x = (2 sin x) (2 cos x), 2 cos 2x = 2 - (2 sin x)^2.
        cosine *= sine
        sine *= sine
        np.subtract(2.0, sine, out=sine)
        sine, cosine = cosine, sine
    return cosine, sine


def _series(terms: tuple[float, ...], square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Polynomial in ``square``, highest term first."""
    total = square * terms[0]
    for term in terms[1:-1]:
        total += term
        total *= square
    total += terms[-1]
    return total


def _limited(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(np.maximum(weight, 0.0), 1.0)


@lru_cache(maxsize=_CACHED)
def _steps(n: int) -> NDArray[np.float64]:
    return _frozen(np.arange(float(n)) / n)


@lru_cache(maxsize=_CACHED)
def _count(n: int) -> NDArray[np.intp]:
    return _frozen(np.arange(n))


@lru_cache(maxsize=_CACHED)
def _distance(middle: int) -> NDArray[np.float64]:
    return _frozen(np.abs(np.arange(-middle, middle + 1.0)))


def _frozen(table: NDArray[T]) -> NDArray[T]:
    table.flags.writeable = False
    return table


_transform_n = lru_cache(maxsize=4096)(transform_n)
