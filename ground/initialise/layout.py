"""Records that fill a window, and Welch segments that fill a record. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared_features.fourier import is_smooth
from shared_features.spec import LONGEST_ROW_N

NO_SPECTRUM = 0

_LONGEST_RECORD_S = 1.28
_MORE_RECORDS = 3
_FEWEST_HALVES = 10
_SHORT_HALVES = ((128, 2), (1024, 4))
"""Halves of segments in records of fewer samples: lines count more than their averages."""
_MOST_HALVES = 32
_SMALLEST_HALF_N = 4
_LEAST_OVERLAP = 0.25
_SHORTER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Lengths in samples; ``segment_n`` is ``NO_SPECTRUM`` where a record is too short for a spectrum."""

    record_n: int
    window_n: int
    hop_n: int
    segment_n: int
    overlap_n: int

    def windows(self, n: int) -> int:
        """Windows in so many samples without a gap."""
        return max(0, (n - self.window_n) // self.hop_n + 1)

    @property
    def n_line(self) -> int:
        """Spectral lines above zero."""
        return self.segment_n // 2


def lay_out(window_n: int, rate_hz: float, *, overlap: int, exact: bool) -> Spans:
    """Cut a window into records that segments fill.

    Args:
        window_n: Samples of the window; it may become a little shorter, unless ``exact``.
        rate_hz: Sampling rate.
        overlap: Windows that share a sample.
        exact: Whether the window fills a snapshot, of which nothing may be left over.
    """
    longest_n = max(1, round(_LONGEST_RECORD_S * rate_hz))
    fewest = -(-max(1, -(-window_n // longest_n)) // overlap) * overlap
    counts = range(fewest, _MORE_RECORDS * fewest + 1, overlap)
    divided = [n for n in counts if window_n % n == 0]
    if exact and not divided:
        # A prime length: the snapshot is one record, and windows do not overlap.
        divided, overlap = [1], 1
    records = next((n for n in divided if _half_n(window_n // n)), divided[0] if exact else fewest)
    record_n = window_n // records
    half_n = _half_n(record_n)
    if half_n:
        return _spans(records, record_n, overlap, 2 * half_n, half_n)
    if exact:
        return _spans(records, record_n, overlap, *_filling(record_n))
    half_n = _round_half_n(record_n)
    return _spans(records, record_n // half_n * half_n if half_n else max(1, record_n), overlap, 2 * half_n, half_n)


def _spans(records: int, record_n: int, overlap: int, segment_n: int, overlap_n: int) -> Spans:
    return Spans(
        record_n=record_n,
        window_n=records * record_n,
        hop_n=records * record_n // overlap,
        segment_n=segment_n,
        overlap_n=overlap_n,
    )


def _fewest_halves(record_n: int) -> int:
    fewest = next((halves for below_n, halves in _SHORT_HALVES if record_n < below_n), _FEWEST_HALVES)
    return max(fewest, -(-2 * record_n // LONGEST_ROW_N))


def _half_n(record_n: int) -> int:
    """Half a segment of which a whole number fills the record, its transform the same on every machine; 0 for none."""
    fewest = _fewest_halves(record_n)
    for halves in range(fewest, max(_MOST_HALVES, 2 * fewest) + 1):
        half_n, rest = divmod(record_n, halves)
        if rest == 0 and half_n >= _SMALLEST_HALF_N and is_smooth(2 * half_n):
            return half_n
    return 0


def _round_half_n(record_n: int) -> int:
    """A power of two below the length wanted; 0 where that is too short."""
    half_n = record_n // _fewest_halves(record_n)
    half_n = 1 << (half_n.bit_length() - 1) if half_n else 0
    return half_n if half_n >= _SMALLEST_HALF_N else NO_SPECTRUM


def _filling(record_n: int) -> tuple[int, int]:
    """A segment and its overlap that fill a record of any length: about half, if that will not do a little less."""
    longest_n = min(LONGEST_ROW_N, 2 * record_n // _fewest_halves(record_n))
    found = (pair for segment_n in _smooth_lengths(longest_n) for pair in _overlaps(record_n, segment_n))
    return next(found, (NO_SPECTRUM, 0))


def _smooth_lengths(longest_n: int) -> Iterator[int]:
    shortest_n = max(2 * _SMALLEST_HALF_N, int(_SHORTER * longest_n))
    return (n for n in range(longest_n, shortest_n - 1, -1) if n % 2 == 0 and is_smooth(n))


def _overlaps(record_n: int, segment_n: int) -> Iterator[tuple[int, int]]:
    hops = range(segment_n // 2, int((1.0 - _LEAST_OVERLAP) * segment_n) + 1)
    return ((segment_n, segment_n - hop_n) for hop_n in hops if (record_n - segment_n) % hop_n == 0)
