"""How long windows, records and segments are: as long as the recordings allow, short enough for some windows of each.

Pure: sampling rate and lengths in, lengths out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.initialise.layout import NO_SPECTRUM, Spans, lay_out
from ground.timeline import SLOW_HZ
from shared_features.time_domain import TIME_FEATURES

LONGEST_S = 10.0
ENOUGH_WINDOWS = 120
"""Of windows side by side: what four roles, a covariance and a threshold need at the least."""
WINDOWS_PER_FEATURE = 13
"""Five rows a feature, of the 40 % of the healthy windows that a model learns from."""
FEW_WINDOWS = 40
"""Below this a part of the healthy time holds too few windows to be cut into four roles, each with a gap between."""
SHORT_SHARE = 0.1
"""Of the recordings, which may at most be too short for a choice."""
FEWEST_TURNS = 5.0
FEWEST_N = 1024
"""Samples from which on statistics of fourth order settle."""
SMALLEST_N = 64
"""Samples of the shortest window of a vibration."""

_NICE_S = (10.0, 8.0, 5.0, 4.0, 2.5, 2.0, 1.6, 1.25, 1.0, 0.8, 0.5, 0.4, 0.25, 0.2, 0.16, 0.125, 0.1, 0.08, 0.05, 0.04,
           0.025, 0.02, 0.016, 0.0125, 0.01, 0.008, 0.005, 0.004, 0.0025, 0.002, 0.00125, 0.001)  # fmt: skip
_PARTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 50, 64)
_OVERLAPS = (1, 2, 4)
_GAIN = 1.25
_FEWEST_FEATURES = 25
"""Of a channel of vibration: the waveform's, the shape of the spectrum, and eight bands."""
_USED_SHARE = 0.9
_COVERAGE = 0.92
_WANTED_S = 1.0
_SMALLEST_RECORD_N = 32
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
        is_torn: Whether recordings have gaps, or are made of pieces that differ in length.
        snapshot_n: Samples of the snapshots that recordings are made of; 0 where they are not, or differ in length.
        slowest_hz: Lowest shaft speed; 0 where unknown.
        limit_n: Longest window that leaves enough of them to whom the healthy time is dealt.
        n_channel: Channels.
    """

    rate_hz: float
    healthy_n: NDArray[np.int64]
    longest_n: NDArray[np.int64]
    snapshot_n: int
    is_torn: bool
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


def choose_spans(signal: Signal) -> Spans:
    """Window, record, hop and segment of a rig."""
    return _slow_spans(signal) if signal.is_slow else _vibration_spans(signal)


def held_by_nearly_all(counts: Sequence[int]) -> int:
    """The largest number of which at most ``SHORT_SHARE`` of the recordings hold fewer.

    Args:
        counts: Samples, or windows, of each recording; at least one.
    """
    return sorted(counts)[int(SHORT_SHARE * len(counts))]


def is_settled(spans: Spans, rate_hz: float, slowest_hz: float) -> bool:
    """Whether windows are long enough to be shortened to: those of slow values hold half of the usual samples."""
    if rate_hz <= SLOW_HZ:
        return spans.window_n >= _SLOW_WINDOWS[1][0]
    turns_n = FEWEST_TURNS / slowest_hz * rate_hz if slowest_hz else 0.0
    return spans.window_n >= max(float(FEWEST_N), turns_n, _WANTED_S * rate_hz)


def _covering(signal: Signal, chosen: Spans, shorter: list[Spans]) -> Spans:
    """The choice, or where gaps tear recordings apart, the first of shorter ones that leaves less to them.

    A rest before a gap that no window covers counts as a window that cannot be assessed.
    """
    if not signal.is_torn or _coverage(signal, chosen) >= _COVERAGE:
        return chosen
    good = (spans for spans in shorter if _coverage(signal, spans) >= _COVERAGE)
    return next(good, max([chosen, *shorter], key=lambda spans: _coverage(signal, spans)))


def _coverage(signal: Signal, spans: Spans) -> float:
    """Share of windows among windows and rests."""
    runs_n = signal.healthy_n
    counts = np.maximum(0, (runs_n - spans.window_n) // spans.hop_n + 1)
    rests = (runs_n < spans.window_n) | ((runs_n - spans.window_n) % spans.hop_n > 0)
    return float(counts.sum() / max(1, counts.sum() + np.count_nonzero(rests)))


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
    shorter = [_slow(size, record, hop) for size, record in _SLOW_WINDOWS for hop in (2 * record, record)]
    return _covering(
        signal, _slow(window_n, record_n, hop_n), [spans for spans in shorter if spans.window_n <= window_n]
    )


def _slow(window_n: int, record_n: int, hop_n: int) -> Spans:
    return Spans(record_n=record_n, window_n=window_n, hop_n=hop_n, segment_n=NO_SPECTRUM, overlap_n=0)


def _vibration_spans(signal: Signal) -> Spans:
    target_n = _target_n(signal)
    overlaps = [overlap for overlap in _OVERLAPS if overlap == 1 or target_n >= overlap * _SMALLEST_RECORD_N]
    exact = signal.snapshot_n > 0
    layouts = [lay_out(target_n, signal.rate_hz, overlap=overlap, exact=exact) for overlap in overlaps]
    counts = [signal.windows(spans.window_n, spans.hop_n) for spans in layouts]
    # By half windows overlap for a sound covariance, by three quarters only where there would be next to none; never
    # where it gains nothing, as where a snapshot holds one window.
    needed = (signal.wanted_windows(_FEWEST_FEATURES), ENOUGH_WINDOWS)
    best = 0
    for index, enough in enumerate(needed[: len(layouts) - 1]):
        if counts[best] < enough and counts[index + 1] >= _GAIN * counts[best]:
            best = index + 1
    shorter = [
        lay_out(n, signal.rate_hz, overlap=overlap, exact=exact)
        for n in _candidates(signal)
        for overlap in _OVERLAPS
        if n <= target_n and n >= overlap * _SMALLEST_RECORD_N
    ]
    return _covering(signal, layouts[best], shorter)


def _target_n(signal: Signal) -> int:
    """The longest window of which there are enough for a sound covariance, or else shorter ones, down to a second.

    Where even those are too few: fewer, rather than windows that are too short to say anything.
    """
    candidates = _candidates(signal)
    counts = {n: signal.windows(n, n) for n in candidates}
    turns_n = FEWEST_TURNS / signal.slowest_hz * signal.rate_hz if signal.slowest_hz else 0.0
    settled_n = max(float(FEWEST_N), turns_n)
    sound = [n for n in candidates if counts[n] >= signal.wanted_windows(_FEWEST_FEATURES)]
    enough = [n for n in candidates if counts[n] >= ENOUGH_WINDOWS and n >= settled_n]
    seconds = [n for n in enough if n >= signal.rate_hz * _WANTED_S]
    if seconds:
        return max([seconds[-1], *(n for n in sound if n in seconds)])
    if enough:
        return enough[0]
    few = [n for n in candidates if counts[n] >= FEW_WINDOWS]
    long_enough = [n for n in few if n >= settled_n]
    if long_enough:
        return long_enough[-1]
    turning = [n for n in candidates if n >= turns_n]
    best = few[0] if few else candidates[-1]
    return best if best >= turns_n or not turning else turning[-1]


def _candidates(signal: Signal) -> list[int]:
    """Lengths of windows, longest first: round times, or parts of short pieces that leave nothing over.

    What a snapshot leaves over is heard by no window, and counts as one that cannot be assessed.
    """
    piece_n = signal.snapshot_n or _common_n(signal)
    longest_n = _longest_n(signal)
    limit_n = min(longest_n, round(LONGEST_S * signal.rate_hz))
    times = [round(s * signal.rate_hz) for s in _NICE_S]
    if piece_n <= round(LONGEST_S * signal.rate_hz):
        times = [] if signal.snapshot_n else [n for n in times if _uses(piece_n, n)]
        times += [piece_n // part for part in _PARTS if piece_n % part == 0]
    smallest_n = min(SMALLEST_N, limit_n)
    return sorted({n for n in times if smallest_n <= n <= limit_n}, reverse=True) or [limit_n]


def _longest_n(signal: Signal) -> int:
    """What nearly every recording holds without a gap, some healthy time of its own, and the roles allow."""
    smallest_n = _TINY_N if signal.is_slow else _LEAST_N
    return max(smallest_n, min(_common_n(signal), int(signal.healthy_n.max()), signal.limit_n))


def _uses(piece_n: int, n: int) -> bool:
    return 0 < n <= piece_n and piece_n // n * n >= _USED_SHARE * piece_n


def _common_n(signal: Signal) -> int:
    common_n = held_by_nearly_all(signal.longest_n.tolist())
    return common_n if common_n >= SMALLEST_N else int(np.median(signal.longest_n))
