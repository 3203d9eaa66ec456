"""How long windows, records and segments are: as long as the recordings allow, short enough for some windows of each.

Pure: sampling rate and lengths in, lengths out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.timeline import SLOW_HZ
from shared_features.time_domain import TIME_FEATURES

LONGEST_S = 10.0
ENOUGH_WINDOWS = 120
"""Of windows side by side: what four roles, a covariance and a threshold need at the least."""
WINDOWS_PER_FEATURE = 13
"""Five rows a feature, of the 40 % of the healthy windows that a model learns from."""
FEW_WINDOWS = 40
"""Below this a part of the healthy time holds too few windows to be cut into four roles, each with a gap between."""
FEWEST_TURNS = 5.0
FEWEST_N = 1024
"""Samples from which on statistics of fourth order settle."""
SMALLEST_N = 64
"""Samples of the shortest window of a vibration."""
NO_SPECTRUM = 0

_NICE_S = (10.0, 8.0, 5.0, 4.0, 2.5, 2.0, 1.6, 1.25, 1.0, 0.8, 0.5, 0.4, 0.25, 0.2, 0.16, 0.125, 0.1, 0.08, 0.05, 0.04,
           0.025, 0.02, 0.016, 0.0125, 0.01, 0.008, 0.005, 0.004, 0.0025, 0.002, 0.00125, 0.001)  # fmt: skip
_PARTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 50, 64)
_OVERLAPS = (1, 2, 4)
_GAIN = 1.25
_FEWEST_FEATURES = 25
"""Of a channel of vibration: the waveform's, the shape of the spectrum, and eight bands."""
_SHORT_SHARE = 0.1
_LONGEST_RECORD_S = 1.28
_MORE_RECORDS = 3
_LONGEST_HALF_N = 4096
_FEWEST_HALVES = 10
_MOST_HALVES = 32
_SHORT_HALVES = ((128, 2), (1024, 4))
"""Halves of segments in records of fewer samples: lines count more than their averages."""
_SMALLEST_RECORD_N = 32
_SMALLEST_HALF_N = 4
_SLOW_WINDOWS = ((60, 10), (30, 5), (12, 2))
"""Samples of windows and records of slow values."""
_TINY_N = 4
_LEAST_N = 16
"""Fewer samples are no window, of slow values and of a vibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What the choice depends on.

    Attributes:
        rate_hz: Sampling rate.
        healthy_n: (n_run,) int64, samples of each healthy run without a gap.
        longest_n: (n_recording,) int64, samples of the longest gapless stretch of each recording.
        slowest_hz: Lowest shaft speed; 0 where unknown.
        limit_n: Longest window that leaves enough of them to whom the healthy time is dealt.
        n_channel: Channels.
    """

    rate_hz: float
    healthy_n: NDArray[np.int64]
    longest_n: NDArray[np.int64]
    slowest_hz: float
    limit_n: int
    n_channel: int

    @property
    def is_slow(self) -> bool:
        """Whether samples are process values."""
        return self.rate_hz <= SLOW_HZ

    def windows(self, window_n: int, hop_n: int) -> int:
        """Healthy windows."""
        return int(np.sum(np.maximum(0, (self.healthy_n - window_n) // hop_n + 1)))

    def wanted_windows(self, features: int) -> int:
        """Healthy windows from which a covariance of so many features a channel can be learned."""
        return WINDOWS_PER_FEATURE * features * self.n_channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Lengths in samples; ``segment_n`` is ``NO_SPECTRUM`` where a record is too short for a spectrum."""

    record_n: int
    window_n: int
    hop_n: int
    segment_n: int

    def windows(self, n: int) -> int:
        """Windows in so many samples without a gap."""
        return max(0, (n - self.window_n) // self.hop_n + 1)

    @property
    def n_line(self) -> int:
        """Spectral lines above zero."""
        return self.segment_n // 2


def choose_spans(signal: Signal) -> Spans:
    """Window, record, hop and segment of a rig."""
    return _slow_spans(signal) if signal.is_slow else _vibration_spans(signal)


def _slow_spans(signal: Signal) -> Spans:
    longest_n = _longest_n(signal)
    window_n, record_n = next(
        (
            sizes
            for sizes in _SLOW_WINDOWS
            if sizes[0] <= longest_n and signal.windows(sizes[0], sizes[1]) >= FEW_WINDOWS
        ),
        (max(_TINY_N, min(longest_n, _SLOW_WINDOWS[-1][0])) // 2 * 2, 2),
    )
    counts = range(window_n // record_n // 2, 0, -1)
    hops = [records * record_n for records in counts if window_n % (records * record_n) == 0]
    wanted = signal.wanted_windows(len(TIME_FEATURES))
    hop_n = next((hop_n for hop_n in hops if signal.windows(window_n, hop_n) >= wanted), hops[-1])
    return Spans(record_n=record_n, window_n=window_n, hop_n=hop_n, segment_n=NO_SPECTRUM)


def _vibration_spans(signal: Signal) -> Spans:
    target_n = _target_n(signal)
    overlaps = [overlap for overlap in _OVERLAPS if overlap == 1 or target_n >= overlap * _SMALLEST_RECORD_N]
    layouts = [_layout(target_n, signal.rate_hz, overlap) for overlap in overlaps]
    counts = [signal.windows(spans.window_n, spans.hop_n) for spans in layouts]
    # By half windows overlap for a sound covariance, by three quarters only where there would be next to none; never
    # where it gains nothing, as where a snapshot holds one window.
    needed = (signal.wanted_windows(_FEWEST_FEATURES), ENOUGH_WINDOWS)
    best = 0
    for index, enough in enumerate(needed[: len(layouts) - 1]):
        if counts[best] < enough and counts[index + 1] >= _GAIN * counts[best]:
            best = index + 1
    return layouts[best]


def _target_n(signal: Signal) -> int:
    """The longest window of which there are enough; fewer, rather than windows that are too short to say anything."""
    candidates = _candidates(signal)
    turns_n = FEWEST_TURNS / signal.slowest_hz * signal.rate_hz if signal.slowest_hz else 0.0
    wanted_n = max(float(FEWEST_N), turns_n)
    enough = [n for n in candidates if signal.windows(n, n) >= ENOUGH_WINDOWS]
    if enough and enough[0] >= wanted_n:
        return enough[0]
    few = [n for n in candidates if signal.windows(n, n) >= FEW_WINDOWS]
    long_enough = [n for n in few if n >= wanted_n]
    if long_enough:
        return long_enough[-1]
    turning = [n for n in candidates if n >= turns_n]
    best = few[0] if few else candidates[-1]
    return best if best >= turns_n or not turning else turning[-1]


def _candidates(signal: Signal) -> list[int]:
    """Lengths of windows, longest first: round times, and parts of a snapshot that leave nothing over."""
    longest_n = _longest_n(signal)
    limit_n = min(longest_n, round(LONGEST_S * signal.rate_hz))
    times = [round(s * signal.rate_hz) for s in _NICE_S]
    parts = [longest_n // part for part in _PARTS if longest_n % part == 0] if longest_n == limit_n else []
    smallest_n = min(SMALLEST_N, limit_n)
    return sorted({n for n in (*times, *parts, limit_n) if smallest_n <= n <= limit_n}, reverse=True)


def _longest_n(signal: Signal) -> int:
    """What nearly every recording holds without a gap, and some healthy time of its own."""
    common_n = int(np.quantile(signal.longest_n, _SHORT_SHARE, method="lower"))
    if common_n < SMALLEST_N:
        common_n = int(np.median(signal.longest_n))
    smallest_n = _TINY_N if signal.is_slow else _LEAST_N
    return max(smallest_n, min(common_n, int(signal.healthy_n.max()), signal.limit_n))


def _layout(window_n: int, rate_hz: float, overlap: int) -> Spans:
    """Cut a window into records that half-overlapped segments fill; it may become a little shorter."""
    fewest = -(-max(1, -(-window_n // max(1, round(_LONGEST_RECORD_S * rate_hz)))) // overlap) * overlap
    counts = range(fewest, _MORE_RECORDS * fewest + 1, overlap)
    whole = (n for n in counts if window_n % n == 0 and _filled(window_n // n)[1] * n == window_n)
    records = next(whole, fewest)
    half_n, record_n = _filled(window_n // records)
    return Spans(
        record_n=record_n,
        window_n=records * record_n,
        hop_n=records * record_n // overlap,
        segment_n=2 * half_n,
    )


def _filled(record_n: int) -> tuple[int, int]:
    """Half a segment, and the record, at most ``record_n`` long, that a whole number of halves fills."""
    fewest = next((halves for below_n, halves in _SHORT_HALVES if record_n < below_n), _FEWEST_HALVES)
    fewest = max(fewest, -(-record_n // _LONGEST_HALF_N))
    for halves in range(fewest, max(_MOST_HALVES, 2 * fewest) + 1):
        half_n, rest = divmod(record_n, halves)
        if rest == 0 and half_n >= _SMALLEST_HALF_N:
            return half_n, record_n
    half_n = record_n // fewest
    half_n = 1 << (half_n.bit_length() - 1) if half_n else 0
    if half_n < _SMALLEST_HALF_N:
        return NO_SPECTRUM, max(1, record_n)
    return half_n, record_n // half_n * half_n
