"""A band of the segments' spectral lines as one complex, decimated signal of the whole record.

The Hann tapers of half-overlapping segments add up to one (COLA: J. B. Allen, L. R. Rabiner, "A unified approach to
short-time Fourier analysis and synthesis", Proc. IEEE 65, 1977). So short inverse transforms of the band's lines,
overlap-added, give the analytic signal of the band without a second look at the samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.fourier import ifft, is_smooth
from shared_features.overlap import OverlapAdd, SegmentBand
from shared_features.scratch import complexes
from shared_features.segments import hann
from shared_features.twiddles import cosine

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_EPSILON = 1e-9


class Baseband:
    """Turns the lines of one record's segments into the analytic signal of a band, shifted down to 0 Hz.

    Holds its work arrays, so that no call allocates any: one thread at a time.

    Attributes:
        first_hz: Frequency that becomes 0 Hz: the first line at or above the lower end of the band.
        width_hz: Width of the band, a whole number of lines.
        rate_hz: Rate of the signal.
        n: Samples of the signal, over the span of the record.
        fade: (n,) the added tapers: 1, but for half a segment at each end of the record, where they rise and fall as
            cos²; the signal is the band's times this.
    """

    def __init__(
        self, spec: FeatureSpec, band_hz: tuple[float, float], *, oversampling: int = 1, edge: float = 0.0
    ) -> None:
        """Prepare one band.

        Args:
            spec: Segments with half their samples in common.
            band_hz: ``[low, high)``.
            oversampling: Samples of the signal for each line of the band and segment; 2 where it will be squared.
            edge: Share of the band on either side over which its gain rises from 0 to 1. Without it a tone that the
                band's end cuts comes out modulated by the segments.
        """
        segment_n = spec.spectrum.segment_n
        hops = 2 * spec.record_n // segment_n
        first = math.ceil(band_hz[0] / spec.line_hz - _EPSILON)
        line_n = math.ceil(band_hz[1] / spec.line_hz - _EPSILON) - first
        short_n = transform_n(oversampling * line_n)
        self.first_hz = first * spec.line_hz
        self.width_hz = line_n * spec.line_hz
        self.rate_hz = short_n * spec.line_hz
        self.n = hops * short_n // 2
        self.fade: NDArray[np.float64] = _added_tapers(hops, short_n)
        # A segment's phases count from its own start: half a segment later, an odd line has turned by half a cycle.
        odd_sign = -1.0 if first % 2 else 1.0
        self._band = SegmentBand(hops - 1, short_n, first, _gain(line_n, edge) * (2.0 / segment_n), odd_sign)
        self._short = complexes(hops - 1, short_n)
        self._overlap = OverlapAdd(self._short)

    def signal(self, lines: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Analytic signal of the band: its magnitude is the envelope, in the unit of the samples.

        Args:
            lines: (n_segment, n_line) unscaled rfft of the Hann-tapered segments of one record, C-contiguous.

        Returns:
            (n,) complex128, shifted down by ``first_hz``; overwritten by the next call.
        """
        ifft(self._band.of(lines), self._short)
        return self._overlap.signal()


def transform_n(at_least_n: int) -> int:
    """The smallest even product of 2, 3 and 5 that is not below: a length of fast transforms with two equal halves."""
    n = max(at_least_n + at_least_n % 2, 2)
    while not is_smooth(n):
        n += 2
    return n


def _added_tapers(hops: int, short_n: int) -> NDArray[np.float64]:
    half_n = short_n // 2
    fade = np.ones(hops * half_n)
    fade[:half_n] = hann(short_n)[:half_n]
    fade[-half_n:] = hann(short_n)[half_n:]
    return fade


def _gain(line_n: int, edge: float) -> NDArray[np.float64]:
    """(line_n,) gain of each line."""
    edge_n = int(edge * line_n)
    gain = np.ones(line_n)
    rise = 0.5 - 0.5 * cosine((np.arange(edge_n) + 0.5) / max(2 * edge_n, 1))
    gain[:edge_n] = rise
    gain[line_n - edge_n :] = rise[::-1]
    return gain
