"""A band of the segments' lines, and the overlap-add of what becomes of it.

Segments share one half with the one before and the other half with the one after. Even ones come first, so that most
of the work is on arrays without holes: numpy copies others into buffers before it computes.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_features.scratch import complexes, floats

T = TypeVar("T", bound=np.generic)


class SegmentBand:
    """Takes a band out of the lines of all segments, with a gain for each line, into rows for inverse transforms."""

    def __init__(self, n_segment: int, n: int, first: int, gain: NDArray[np.float64], odd_sign: float = 1.0) -> None:
        """Prepare a band.

        Args:
            n_segment: Segments.
            n: Lines of a row; those behind the band are zero.
            first: First line of the band.
            gain: (line_n,) gain of each line.
            odd_sign: 1 or -1, what the odd segments are multiplied by.
        """
        self._band = slice(first, first + gain.size)
        self._rows = complexes(n_segment, n)
        self._rows[:] = 0.0
        self._parts = self._rows.view(np.float64)
        self._gain = floats(*self._parts.shape)
        self._gain[:] = 1.0
        self._gain[:, : 2 * gain.size] = np.repeat(gain, 2)
        self._gain[even_n(n_segment) :, : 2 * gain.size] *= odd_sign
        self._even = self._rows[: even_n(n_segment), : gain.size]
        self._odd = self._rows[even_n(n_segment) :, : gain.size]

    def of(self, lines: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """(n_segment, n) the band, even segments first; overwritten by the next call.

        Args:
            lines: (n_segment, n_line) lines of the segments.
        """
        band = lines[:, self._band]
        np.copyto(self._even, band[0::2])
        np.copyto(self._odd, band[1::2])
        # As pairs of reals: numpy would multiply by a complex gain.
        np.multiply(self._parts, self._gain, out=self._parts)
        return self._rows


class OverlapAdd(Generic[T]):
    """Adds half-overlapping rows up where they lie: the even ones, end to end, are a signal already; so are the odd."""

    def __init__(self, rows: NDArray[T]) -> None:
        """Prepare for the rows of one array.

        Args:
            rows: (n_row, n) C-contiguous, n even, its even rows first; ``signal`` uses it up.
        """
        n_row, n = rows.shape
        even, odd = rows[: even_n(n_row)].reshape(-1), rows[even_n(n_row) :].reshape(-1)
        common_n = min(odd.size, even.size - n // 2)
        self._even: NDArray[T] = even
        self._odd: NDArray[Any] = odd[:common_n]
        self._last: NDArray[T] = odd[common_n:]
        # As many even rows as odd ones end half a row before those: there is no room for the last half in their place.
        self._signal: NDArray[T] = np.empty(even.size + n // 2, dtype=rows.dtype) if self._last.size else even
        self._common: NDArray[Any] = self._signal[n // 2 : n // 2 + common_n]

    def signal(self) -> NDArray[T]:
        """((n_row + 1) n / 2,) the rows added up; overwritten by the next call."""
        if self._last.size:
            self._signal[: self._even.size] = self._even
            self._signal[self._even.size :] = self._last
        np.add(self._common, self._odd, out=self._common)
        return self._signal


def even_n(n_row: int) -> int:
    """How many of ``n_row`` rows are even ones: 0, 2, ..."""
    return -(-n_row // 2)
