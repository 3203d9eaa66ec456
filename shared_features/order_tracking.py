"""Powers of orders in one record, followed through changes of speed by demodulation with the shaft's phase.

Multiplied by ``exp(-2 pi i order turns(t))``, an order stands still at 0 Hz however the shaft turned, and a few lines
hold its power. Of each order only a narrow band of the record's lines is taken, so that the products are short.
docs/adr/0010-order-tracking.md tells why it is not done by resampling to equal angles. Sources: K. R. Fyfe, E. D. S.
Munck, "Analysis of computed order tracking", Mech. Syst. Signal Process. 11 (1997); J. R. Blough, "Development and
analysis of time variant discrete Fourier transform order tracking", Mech. Syst. Signal Process. 17 (2003).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.baseband import transform_n
from shared_features.fourier import fft, ifft
from shared_features.speed_limits import GUARD_LINES, MAIN_LOBE_LINES
from shared_features.twiddles import cosine, sine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.record_lines import RecordLines
    from shared_features.rotation import Rotation
    from shared_features.spec import FeatureSpec

_RISE = 0.5 - 0.5 * cosine((np.arange(float(GUARD_LINES)) + 0.5) / (2.0 * GUARD_LINES))


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
        speeds = np.array([(turned.low_hz, turned.mean_hz, turned.high_hz) for turned in rotations])
        low, mean, high = (speeds[self._shafts] * self._record_s).T * self._orders
        reach = MAIN_LOBE_LINES + self._tolerance * mean
        margin = float(reach.max()) + GUARD_LINES
        begin = np.maximum(np.floor(low - margin) - record_lines.first, 0.0)
        n = _transform_n(int((high - begin).max() + margin) - record_lines.first + 2)
        np.minimum(begin, float(record_lines.n - n), out=begin)
        steps = _steps(n)
        self._index = begin.astype(np.intp)[:, np.newaxis] + np.arange(n)
        # 0 Hz is no end that cuts anything.
        self._rise = np.where(begin[:, np.newaxis] > 0.0, _RISE, 1.0)[:, :, np.newaxis]
        # The order comes to stand on line ``middle``, so that what is summed lies side by side.
        middle = int(float(reach.max()) + 0.5)
        turns = np.stack([turned.turns_at(steps * self._record_n) for turned in rotations])
        phase = turns[self._shafts] * self._orders[:, np.newaxis]
        phase -= (begin + (record_lines.first + middle))[:, np.newaxis] * steps
        self._cosine, self._sine = _as_pairs(phase)
        distance = np.abs(np.arange(-middle, middle + 1.0))
        # Both transforms are unscaled: together they multiply by their length.
        self._weight = np.minimum(np.maximum((reach + 0.5)[:, np.newaxis] - distance, 0.0), 1.0) / float(n * n)

    def powers(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Mean squares of the orders in one channel of the record that is followed.

        Args:
            spectrum: What ``RecordLines.of`` made of the channel.

        Returns:
            (n_order,) float64.
        """
        band = spectrum[self._index]
        # Pairs of reals: numpy's complex products have other bits where a processor can fuse them.
        pairs = band.view(np.float64).reshape(*band.shape, 2)
        pairs[:, :GUARD_LINES] *= self._rise
        pairs[:, -GUARD_LINES:] *= _RISE[::-1, np.newaxis]
        ifft(band, out=band)
        turned = pairs * self._cosine
        turned += pairs[:, :, ::-1] * self._sine
        lines = fft(turned.view(np.complex128)[:, :, 0], out=band)[:, : self._weight.shape[1]]
        power = lines.real * lines.real
        power += lines.imag * lines.imag
        power *= self._weight
        return np.asarray(np.add.reduce(power, axis=1))


def _as_pairs(turns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What pairs (real, imaginary) and their like (imaginary, real) are multiplied by for ``exp(-2 pi i turns)``."""
    cosines = np.empty((*turns.shape, 2))
    cosines[:, :, 0] = cosines[:, :, 1] = cosine(turns)
    sines = np.empty((*turns.shape, 2))
    sines[:, :, 0] = sine(turns)
    np.negative(sines[:, :, 0], out=sines[:, :, 1])
    return cosines, sines


@lru_cache(maxsize=256)
def _steps(n: int) -> NDArray[np.float64]:
    steps: NDArray[np.float64] = np.arange(float(n)) / n
    steps.flags.writeable = False
    return steps


_transform_n = lru_cache(maxsize=4096)(transform_n)
