"""The atomic unit: the statistics of one record of one channel.

Everything is computed in float64, by sums over rows of fixed length and order, so that a record has the same bits
wherever and however often it is computed. No BLAS call and no single-precision transcendental appears here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from shared_features.moments import BLOCK_N, Moments, moments_of
from shared_features.quality import NOT_FINITE, quality_of

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Statistics of ``record_n`` samples of one channel.

    Attributes:
        reason: Why the record cannot be assessed; empty when it can.
        moments: Count, mean and central sums, in powers of the channel's unit.
        low: Smallest sample.
        high: Largest sample.
        abs_sum: Sum of ``|x - mean|`` about the record's own mean.
        sqrt_abs_sum: Sum of ``sqrt(|x - mean|)``.
        crossings: Times the signal crosses the record's mean.
        psd: (n_line,) one-sided power spectral density, unit²/Hz; empty without the spectrum group.
    """

    reason: str
    moments: Moments
    low: float
    high: float
    abs_sum: float
    sqrt_abs_sum: float
    crossings: int
    psd: NDArray[np.float64]


class RecordMaker:
    """Computes records by one spec; holds the spec's constants (taper, scale), no state."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        group = spec.spectrum
        self._segment_n = group.segment_n
        self._hop_n = group.segment_n - group.overlap_n if group.enabled else 0
        self._segments = 1 + (spec.record_n - group.segment_n) // self._hop_n if group.enabled else 0
        self._taper = hann(group.segment_n) if group.enabled else np.zeros(0)
        self._scale = _psd_scale(self._taper, spec.sampling_rate_hz, self._segments) if group.enabled else np.zeros(0)

    def record(self, samples: NDArray[np.float32]) -> Record:
        """Statistics of one record.

        Args:
            samples: (record_n,) samples of one channel, in the channel's unit.
        """
        x = np.ascontiguousarray(samples, dtype=np.float64)
        if not np.isfinite(x).all():
            return self._unreadable()
        moments = moments_of(x)
        low, high = float(x.min()), float(x.max())
        deviation = x - moments.mean
        negative = np.signbit(deviation)
        magnitude = np.abs(deviation, out=deviation)
        return Record(
            reason=quality_of(x, low, high, self._spec.quality),
            moments=moments,
            low=low,
            high=high,
            abs_sum=_block_sum(magnitude),
            sqrt_abs_sum=_block_sum(np.sqrt(magnitude)),
            crossings=int(np.count_nonzero(negative[1:] != negative[:-1])),
            psd=self._psd(x),
        )

    def _unreadable(self) -> Record:
        nothing = Moments(n=self._spec.record_n, mean=0.0, m2=0.0, m3=0.0, m4=0.0)
        lines = self._segment_n // 2 + 1 if self._segments else 0
        return Record(
            reason=NOT_FINITE, moments=nothing, low=0.0, high=0.0, abs_sum=0.0, sqrt_abs_sum=0.0, crossings=0,
            psd=np.zeros(lines),
        )  # fmt: skip

    def _psd(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Welch's method (P. Welch, IEEE Trans. Audio Electroacoust. 15, 1967), segments without their means."""
        if not self._segments:
            return np.zeros(0)
        step = x.strides[0]
        segments = as_strided(x, (self._segments, self._segment_n), (self._hop_n * step, step), writeable=False)
        mean = np.add.reduce(segments, axis=1) / self._segment_n
        tapered = segments - mean[:, np.newaxis]
        tapered *= self._taper
        lines = np.fft.rfft(tapered, axis=1)
        power = lines.real * lines.real
        power += lines.imag * lines.imag
        density: NDArray[np.float64] = np.add.reduce(power, axis=0) * self._scale
        return density


def hann(n: int) -> NDArray[np.float64]:
    """Periodic Hann taper, (n,) float64: ``0.5 - 0.5 cos(2 pi k / n)``."""
    taper: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)
    return taper


def _psd_scale(taper: NDArray[np.float64], rate_hz: float, segments: int) -> NDArray[np.float64]:
    """(n_line,) factor from the summed squared lines to a one-sided density."""
    density = 1.0 / (rate_hz * float(np.add.reduce(taper * taper)) * segments)
    scale = np.full(taper.size // 2 + 1, 2.0 * density)
    scale[0] = density
    if taper.size % 2 == 0:
        scale[-1] = density
    return scale


def _block_sum(x: NDArray[np.float64]) -> float:
    whole_n = x.size // BLOCK_N * BLOCK_N
    rows = np.add.reduce(x[:whole_n].reshape(-1, BLOCK_N), axis=1)
    return float(np.add.reduce(rows) + np.add.reduce(x[whole_n:]))
