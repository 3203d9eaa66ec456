"""Statistics of the waveform of one record: everything that is read sample by sample.

All sums run over rows of one fixed length, in one order, so that a record has the same bits wherever it is computed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.scratch import floats
from shared_features.spec_checks import needs_segments

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_LONGEST_BLOCK_N = 4096
"""Short enough for one summation order in every numpy and for the fast cache, long enough to be fast."""
_SHORTEST_BLOCK_N = 256
_AWKWARD_BLOCK_N = 2048
_N_SUM = 5
"""Sums over the samples: from ``m2`` to ``sqrt_abs_sum``."""


class Waveform(NamedTuple):
    """Statistics of the samples of one record of one channel, as floats, so that many make a table.

    Attributes:
        mean: Arithmetic mean.
        m2: Sum of squared deviations from the mean.
        m3: Sum of cubed ones.
        m4: Sum of their fourth powers.
        abs_sum: Sum of magnitudes of the deviations.
        sqrt_abs_sum: Sum of the square roots of those.
        crossings: How often the signal crosses the mean.
        low: Smallest sample.
        high: Largest sample.
    """

    mean: float
    m2: float
    m3: float
    m4: float
    abs_sum: float
    sqrt_abs_sum: float
    crossings: float
    low: float
    high: float


SILENT = Waveform(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class WaveformMaker:
    """Measures records of one length; holds scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        n = spec.record_n
        self._n = n
        self._block_n = block_length(n)
        self.memory = floats(max(2 * n, segments_n(spec)))
        """Scratch memory, free again after ``measure``: what comes next may use it, while it is in the fast cache."""
        self._one, self._other = self.memory[:n], self.memory[n : 2 * n]
        self._negative = np.empty(n, dtype=np.bool_)
        self.deviation = floats(n)
        """(record_n,) float64: the samples of the last measured record about their mean."""
        self._block_sums = np.empty((_N_SUM, n // self._block_n))
        self._rest_sums = np.zeros(_N_SUM)

    def load(self, samples: NDArray[np.float32]) -> bool:
        """Take the samples of the next record and find its deviation from the mean.

        Args:
            samples: (record_n,) samples of one channel, contiguous.

        Returns:
            Whether all samples are finite; nothing can be measured otherwise.
        """
        deviation = self.deviation
        np.copyto(deviation, samples)
        # The first sample is taken out before averaging: a bias of 1e6 g must not cost the digits of the rest.
        first = float(deviation[0])
        with np.errstate(invalid="ignore"):
            deviation -= first
            self._add_up(0, deviation)
            mean = float(np.add.reduce(self._block_sums[0]) + self._rest_sums[0]) / self._n
        if not math.isfinite(mean):
            return False
        deviation -= mean
        self._samples, self._mean = samples, first + mean
        return True

    def measure(self) -> Waveform:
        """Statistics of the record that was loaded last."""
        deviation, one, other = self.deviation, self._one, self._other
        negative = np.signbit(deviation, out=self._negative)
        self._add_up(0, np.multiply(deviation, deviation, out=one))
        self._add_up(1, np.multiply(deviation, one, out=other))
        self._add_up(2, np.multiply(one, one, out=one))
        self._add_up(3, np.abs(deviation, out=one))
        self._add_up(4, np.sqrt(one, out=one))
        crossings = np.count_nonzero(negative[1:] != negative[:-1])
        low, high = np.minimum.reduce(self._samples), np.maximum.reduce(self._samples)
        sums = np.add.reduce(self._block_sums, axis=1) + self._rest_sums
        m2, m3, m4, abs_sum, sqrt_abs_sum = sums.tolist()
        return Waveform(
            self._mean, m2, m3, m4, abs_sum, sqrt_abs_sum, float(crossings), low=float(low), high=float(high)
        )

    def _add_up(self, row: int, x: NDArray[np.float64]) -> None:
        """Note the sums of the blocks of ``x`` (record_n,), and of what is left of it."""
        rest_n = self._n % self._block_n
        if rest_n:
            self._rest_sums[row] = np.add.reduce(x[-rest_n:])
            x = x[:-rest_n]
        np.add.reduce(x.reshape(-1, self._block_n), axis=1, out=self._block_sums[row])


def block_length(n: int) -> int:
    """Samples that are summed in one row, of ``n``: the largest divisor that fits, or a round number and a rest."""
    for block_n in range(min(n, _LONGEST_BLOCK_N), min(n, _SHORTEST_BLOCK_N) - 1, -1):
        if n % block_n == 0:
            return block_n
    return _AWKWARD_BLOCK_N


def segments_n(spec: FeatureSpec) -> int:
    """Samples of all overlapping segments of a record together; none where no group needs segments."""
    group = spec.spectrum
    if not needs_segments(spec):
        return 0
    return group.segment_n * (1 + (spec.record_n - group.segment_n) // (group.segment_n - group.overlap_n))
