"""The spectrum of a whole record in a band, ``1 / record_s`` from line to line, out of the lines of its segments.

Hann tapers of half-overlapping segments add up to one (J. B. Allen, L. R. Rabiner, Proc. IEEE 65, 1977): short inverse
transforms of the band's lines, overlap-added, are the record once more at a lower rate, and its transform is cheap.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.baseband import transform_n
from shared_features.fourier import irfft, rfft
from shared_features.overlap import OverlapAdd, SegmentBand
from shared_features.scratch import floats
from shared_features.segments import hann
from shared_features.twiddles import cosine

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_RAMP_LINES = 6
"""Lines of the segments over which the gain falls to 0 at a band's ends: a tone that a sharp end cuts would come out
modulated by the segments, and cost its neighbours 20 % where it is ten times as strong."""
_EPSILON = 1e-9


class RecordLines:
    """Turns the segments' lines of one record after the other into lines of the record, tapered by Hann.

    Holds its work arrays, so that no call allocates any: one thread at a time.

    Attributes:
        first: Which line of the record is the first of the result.
        n: Lines of the result, a length of fast transforms.
    """

    def __init__(self, spec: FeatureSpec, low_hz: float, high_hz: float) -> None:
        """Prepare a band.

        Args:
            spec: Segments with half their samples in common.
            low_hz: Lower end of the band, 0 or higher.
            high_hz: Upper end; what lies above Nyquist is zero.
        """
        segment_n = spec.spectrum.segment_n
        hops = 2 * spec.record_n // segment_n
        # An even line turns by whole cycles from one segment to the next, so that none needs its phase corrected.
        begin = max(math.floor(low_hz / spec.line_hz + _EPSILON) - _RAMP_LINES, 0) // 2 * 2
        last = math.ceil(high_hz / spec.line_hz - _EPSILON)
        end = min(last + _RAMP_LINES, segment_n // 2) + 1
        short_n = _transform_n(2 * (last + _RAMP_LINES - begin + 1))
        line_n = hops * (short_n // 2) // 2 + 1
        self.first = begin * hops // 2
        self.n = _transform_n(line_n)
        self._taper = _missing_taper(hops, short_n, spec.record_n)
        self._band = SegmentBand(hops - 1, short_n // 2 + 1, begin, _gain(begin, last, end))
        self._short = floats(hops - 1, short_n)
        self._overlap = OverlapAdd(self._short)
        self._spectrum = np.zeros(self.n, dtype=np.complex128)
        self._lines = self._spectrum[:line_n]

    def of(self, lines: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Lines of one record.

        Args:
            lines: (n_segment, n_line) unscaled lines of the Hann-tapered segments, C-contiguous.

        Returns:
            (n,) complex128, overwritten by the next call: line ``k`` at ``(first + k) / record_s``. The squared
            magnitudes of the lines about a sine add up to its mean square.
        """
        irfft(self._band.of(lines), out=self._short)
        signal = self._overlap.signal()
        signal *= self._taper
        rfft(signal, out=self._lines)
        return self._spectrum


def _gain(begin: int, last: int, end: int) -> NDArray[np.float64]:
    """(end - begin,) gain of the lines: it falls beyond ``last``, and towards ``begin`` unless that is 0 Hz."""
    ramp = 0.5 + 0.5 * cosine((np.arange(float(_RAMP_LINES)) + 0.5) / (2.0 * _RAMP_LINES))
    gain = np.ones(last + _RAMP_LINES - begin + 1)
    gain[-_RAMP_LINES:] = ramp
    if begin:
        gain[:_RAMP_LINES] = ramp[::-1]
    return gain[: end - begin]


@lru_cache(maxsize=16)
def _missing_taper(hops: int, short_n: int, record_n: int) -> NDArray[np.float64]:
    """(hops * short_n / 2,) what turns the added tapers of the segments into a Hann taper of the record, and scales."""
    half_n = short_n // 2
    added = np.ones(hops * half_n)
    added[:half_n] = hann(short_n)[:half_n]
    added[-half_n:] = hann(short_n)[half_n:]
    missing = hann(hops * half_n)
    np.divide(missing, added, out=missing, where=added > 0.0)
    missing *= 4.0 / (math.sqrt(3.0) * record_n)
    missing.flags.writeable = False
    return missing


_transform_n = lru_cache(maxsize=4096)(transform_n)
