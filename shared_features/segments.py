"""The tapered segments of one record and their spectral lines: Welch, and what envelope and orders stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.fourier import rfft
from shared_features.scratch import complexes, floats
from shared_features.twiddles import cosine
from shared_features.waveform import WaveformMaker, segments_n

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec


class SegmentMaker:
    """Cuts records into segments by one spec; holds scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec, memory: NDArray[np.float64] | None = None) -> None:
        """Prepare for a spec.

        Args:
            spec: Says how to cut segments.
            memory: Scratch memory of at least ``segments_n`` numbers that nothing else uses meanwhile; its own if none.
        """
        group = spec.spectrum
        self._segment_n = group.segment_n
        self._hop_n = group.segment_n - group.overlap_n
        total_n = segments_n(spec)
        scratch = floats(total_n) if memory is None else memory[:total_n]
        segments = total_n // group.segment_n
        self._taper = floats(group.segment_n)
        self._taper[:] = hann(group.segment_n)
        self._scale = _psd_scale(self._taper, spec.sampling_rate_hz, segments)
        self._tapered = scratch.reshape(segments, group.segment_n)
        self._lines = complexes(segments, group.segment_n // 2 + 1)
        self._parts = self._lines.view(np.float64)
        self._power = floats(self._parts.shape[1])

    def lines(self, deviation: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Spectral lines of the segments of one record.

        Args:
            deviation: (record_n,) float64, contiguous: the record's samples about their mean.

        Returns:
            (n_segment, n_line) discrete Fourier transforms of the tapered segments, which add up to the record. The
            array is the maker's own: it is good until the next call of ``lines`` or ``density``.
        """
        step = deviation.itemsize
        # A view whose rows overlap; ``as_strided`` takes ten times as long to make it.
        segments = np.ndarray(self._tapered.shape, np.float64, deviation, strides=(self._hop_n * step, step))
        np.multiply(segments, self._taper, out=self._tapered)
        rfft(self._tapered, self._lines)
        self._total = self._totals(deviation, segments)
        return self._lines

    def density(self, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """One-sided power spectral density, unit²/Hz, of the record last given to ``lines``.

        Welch's method (P. Welch, IEEE Trans. Audio Electroacoust. 15, 1967) over segments about their own means. It
        uses up the lines.

        Args:
            out: (n_line,) where to write.
        """
        # The mean of a segment meets the taper's transform, n/2 and -n/4, in the lowest two lines alone.
        parts = self._parts
        parts[:, 0] -= 0.5 * self._total
        parts[:, 2] += 0.25 * self._total
        np.multiply(parts, parts, out=parts)
        # As many rows as segments, far more than one column: the sum runs from row to row in every numpy.
        squares = np.add.reduce(parts, axis=0, out=self._power)
        np.add(squares[0::2], squares[1::2], out=out)
        return np.multiply(out, self._scale, out=out)

    def _totals(self, deviation: NDArray[np.float64], segments: NDArray[np.float64]) -> NDArray[np.float64]:
        if 2 * self._hop_n != self._segment_n:
            return np.asarray(np.add.reduce(segments, axis=1))
        halves = np.add.reduce(deviation.reshape(-1, self._hop_n), axis=1)
        return np.asarray(halves[:-1] + halves[1:])


def density_of(spec: FeatureSpec, samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Welch density of one record by itself, by the code that computes the features.

    Args:
        spec: Says how to cut segments.
        samples: (record_n,) samples of one channel, contiguous.

    Returns:
        (n_line,) one-sided, unit²/Hz; zeros where a sample is missing.
    """
    waveform = WaveformMaker(spec)
    segments = SegmentMaker(spec, waveform.memory)
    density = np.zeros(spec.spectrum.segment_n // 2 + 1)
    if waveform.load(samples):
        segments.lines(waveform.deviation)
        segments.density(out=density)
    return density


def hann(n: int) -> NDArray[np.float64]:
    """Periodic Hann taper, (n,) float64: ``0.5 - 0.5 cos(2 pi k / n)``."""
    return 0.5 - 0.5 * cosine(np.arange(n) / n)


def _psd_scale(taper: NDArray[np.float64], rate_hz: float, segments: int) -> NDArray[np.float64]:
    """(n_line,) factor from the summed squared lines to a one-sided density."""
    density = 1.0 / (rate_hz * float(np.add.reduce(taper * taper)) * segments)
    scale = np.full(taper.size // 2 + 1, 2.0 * density)
    scale[0] = density
    if taper.size % 2 == 0:
        scale[-1] = density
    return scale
