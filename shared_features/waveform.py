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
        self._n = spec.record_n
        self._block_n = block_length(spec.record_n)
        self.memory = floats(max(2 * spec.record_n, segments_n(spec)))
        """Scratch memory, free again after ``measure``: what comes next may use it, while it is in the fast cache."""
        self._square = self.memory[: spec.record_n]
        self._scratch = self.memory[spec.record_n : 2 * spec.record_n]
        self.deviation = floats(spec.record_n)
        """(record_n,) float64: the samples of the last measured record about their mean."""

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
            mean = self._sum(deviation) / self._n
        if not math.isfinite(mean):
            return False
        deviation -= mean
        self._samples, self._mean = samples, first + mean
        return True

    def measure(self) -> Waveform:
        """Statistics of the record that was loaded last."""
        deviation, square, scratch = self.deviation, self._square, self._scratch
        negative = np.signbit(deviation)
        np.multiply(deviation, deviation, out=square)
        m2 = self._sum(square)
        m3 = self._sum(np.multiply(deviation, square, out=scratch))
        m4 = self._sum(np.multiply(square, square, out=scratch))
        magnitude = np.abs(deviation, out=scratch)
        abs_sum = self._sum(magnitude)
        return Waveform(
            mean=self._mean,
            m2=m2,
            m3=m3,
            m4=m4,
            abs_sum=abs_sum,
            sqrt_abs_sum=self._sum(np.sqrt(magnitude, out=scratch)),
            crossings=float(np.count_nonzero(negative[1:] != negative[:-1])),
            low=float(self._samples.min()),
            high=float(self._samples.max()),
        )

    def _sum(self, x: NDArray[np.float64]) -> float:
        whole_n = self._n - self._n % self._block_n
        total = np.add.reduce(np.add.reduce(x[:whole_n].reshape(-1, self._block_n), axis=1))
        return float(total if whole_n == self._n else total + np.add.reduce(x[whole_n:]))


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
