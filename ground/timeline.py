"""Time synchronisation: where stretches begin, when, and how well the sample clock keeps the stated time. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S, samples_ns
from edge_agent.stream import STEP_TOLERANCE_SAMPLES

COUNTED = "counted"
SEGMENTS = "segment"
STAMPS = "time_s"
RATE_TOLERANCE = 0.01
"""Share by which the measured sampling rate may differ from the stated one."""
MOST_BACK = 3
"""So many times stamps may go back in any recording, as where a clock was set; in long ones, by ``BACK_SHARE``."""
BACK_SHARE = 0.001
UNKNOWN_PAUSE_NS = NS_PER_S
"""Between segments whose times are not known: enough that nothing takes them for one stretch."""
SLOW_HZ = 10.0
"""Up to this rate samples are values out of a logger, whose stamps are rounded, jitter, and skip one now and then."""
SLOW_RATE_TOLERANCE = 0.1
"""The same share for a logger: nothing that is computed from its values depends on a tenth of the rate."""


@dataclass(frozen=True, slots=True)
class TimeGap:
    """Time without samples inside a recording that has stamps."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The stretches of one recording in time.

    Attributes:
        source: What the times come from: ``time_s``, ``segment`` or, with neither, the count of samples.
        first_n: (n_stretch,) int64, index of each stretch's first sample.
        start_ns: (n_stretch,) int64, source time of it.
        n_samples: Samples in all.
        gaps: Gaps that the stamps show; segment borders are no gaps of the recorder and not among them.
        measured_rate_hz: Rate by the stamps; the stated one where there are none.
        drift_ppm: By how much the measured rate exceeds the stated one.
        largest_error_s: Largest distance between a stamp and the time that its stretch's sample count gives.
    """

    source: str
    first_n: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    n_samples: int
    gaps: tuple[TimeGap, ...] = ()
    measured_rate_hz: float
    drift_ppm: float = 0.0
    largest_error_s: float = 0.0

    @property
    def last_n(self) -> NDArray[np.int64]:
        """(n_stretch,) index just after each stretch."""
        return np.append(self.first_n[1:], self.n_samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSettings:
    """What a timeline is made with.

    Attributes:
        rate_hz: Stated sampling rate.
        start_ns: Source time of time 0 and of segment 0.
        segment_period_s: From the start of one segment to that of the next; 0 where not stated.
        gap_tolerance_s: Step between stamps, beyond the sampling interval, from which there is a gap.
    """

    rate_hz: float
    start_ns: int
    segment_period_s: float
    gap_tolerance_s: float

    @property
    def is_slow(self) -> bool:
        """Whether samples come out of a logger of slow values."""
        return self.rate_hz <= SLOW_HZ

    @property
    def longest_step_s(self) -> float:
        """Longest step between two stamps without a gap; of slow values, one skipped sample is none, as on board."""
        beyond_s = STEP_TOLERANCE_SAMPLES / self.rate_hz if self.is_slow else 0.0
        return 1.0 / self.rate_hz + max(self.gap_tolerance_s, beyond_s)

    @property
    def rate_tolerance(self) -> float:
        """Share by which the measured rate may differ from the stated one."""
        return SLOW_RATE_TOLERANCE if self.is_slow else RATE_TOLERANCE


def order_error(time_s: NDArray[np.float64], changes: NDArray[np.bool_], first_row: int = 0) -> str:
    """What is wrong with the order of the stamps (n,), or nothing: each must be known, and few go back.

    That some repeat, as where they are coarser than the sampling interval, is a matter of the rate.

    Args:
        time_s: (n,) stamps.
        changes: (n - 1,) where a segment border lies between two samples: there the stamps may begin again.
        first_row: The row of the file that the first of them is in.
    """
    unknown = np.flatnonzero(~np.isfinite(time_s))
    if unknown.size:
        return f"{time_s[unknown[0]]} in row {first_row + unknown[0]}"
    back = np.flatnonzero((np.diff(time_s) < 0.0) & ~changes)
    if back.size <= max(MOST_BACK, BACK_SHARE * len(time_s)):
        return ""
    row = int(back[0]) + 1
    return f"{float(time_s[row])!r} after {float(time_s[row - 1])!r} in row {first_row + row} ({back.size} such rows)"


def begins_again(time_s: NDArray[np.float64], changes: NDArray[np.bool_]) -> bool:
    """Whether stamps begin again with each segment, or with most of them; arguments as of ``order_error``."""
    steps = np.diff(time_s)[changes]
    return bool(2 * np.count_nonzero(steps <= 0.0) > steps.size)


def stamps_in_segments(time_s: NDArray[np.float64], segments: Timeline, clock: ClockSettings) -> NDArray[np.float64]:
    """Stamps (n,) that begin again with each segment, from the start of each segment on."""
    lengths = np.diff(np.append(segments.first_n, len(time_s)))
    starts_s = (segments.start_ns - clock.start_ns) / NS_PER_S
    return time_s + np.repeat(starts_s - time_s[segments.first_n], lengths)


def rate_error(time_s: NDArray[np.float64], clock: ClockSettings, tolerance: float) -> str:
    """What is wrong with the rate by the stamps, or nothing: it may be off the stated one by ``tolerance``, a share."""
    meter = RateMeter(clock)
    meter.add(np.diff(time_s))
    return meter.error(tolerance)


def segment_error(segment: NDArray[np.generic], first_row: int = 0) -> str:
    """What is wrong with the segment numbers (n,), or nothing: known, from 0 on, never going back.

    The first of them is that of ``first_row`` of its file.
    """
    numbers = np.asarray(segment, dtype=np.float64)
    bad = np.flatnonzero(~(numbers >= 0.0) | (numbers != np.floor(numbers)))
    if bad.size:
        return f"{numbers[bad[0]]} in row {first_row + bad[0]}"
    back = np.flatnonzero(np.diff(numbers) < 0.0)
    if not back.size:
        return ""
    row = int(back[0]) + 1
    return f"{int(numbers[row])} after {int(numbers[row - 1])} in row {first_row + row}"


def overlap_error(first_n: NDArray[np.int64], start_ns: NDArray[np.int64], rate_hz: float, first_row: int = 0) -> str:
    """What is wrong with the segments' period, or nothing: no segment may begin before the one before has ended.

    Args:
        first_n: (n,) rows at which segments begin, from ``first_row`` of the file on.
        start_ns: (n,) source times of these.
        rate_hz: Samples a second.
        first_row: The row of the file from which the others are counted.
    """
    length_ns = [samples_ns(int(n), rate_hz) for n in np.diff(first_n)]
    overlap_ns = start_ns[:-1] + np.array(length_ns, dtype=np.int64) - start_ns[1:]
    if not overlap_ns.size or overlap_ns.max() <= samples_ns(1, rate_hz):
        return ""
    worst = int(np.argmax(overlap_ns))
    return f"one that begins {overlap_ns[worst] / NS_PER_S:.6g} s too early in row {first_row + first_n[worst + 1]}"


def counted_timeline(n_samples: int, clock: ClockSettings) -> Timeline:
    """One stretch from the start on, for a file with neither stamps nor segments."""
    return Timeline(
        source=COUNTED,
        first_n=np.zeros(1, dtype=np.int64),
        start_ns=np.array([clock.start_ns], dtype=np.int64),
        n_samples=n_samples,
        measured_rate_hz=clock.rate_hz,
    )


def segment_timeline(segment: NDArray[np.generic], clock: ClockSettings) -> Timeline:
    """One stretch a segment, ``segment_period_s`` apart by their numbers.

    Where no period is stated, nothing is known of the time between segments: they lie ``UNKNOWN_PAUSE_NS`` apart.
    """
    first_n = _borders(np.diff(segment) != 0)
    period_ns = round(clock.segment_period_s * NS_PER_S)
    numbers = segment[first_n].astype(np.int64)
    if not period_ns:
        longest_n = int(np.diff(np.append(first_n, len(segment))).max())
        period_ns = samples_ns(longest_n, clock.rate_hz) + UNKNOWN_PAUSE_NS
        numbers = np.arange(len(first_n), dtype=np.int64)
    return Timeline(
        source=SEGMENTS,
        first_n=first_n,
        start_ns=clock.start_ns + numbers * period_ns,
        n_samples=len(segment),
        measured_rate_hz=clock.rate_hz,
    )


def stamped_timeline(time_s: NDArray[np.float64], changes: NDArray[np.bool_], clock: ClockSettings) -> Timeline:
    """One stretch between gaps of the stamps, and steps back.

    Samples are counted within a stretch, so stamps that repeat do no harm. Where stamps are late, no stretch begins
    before the one before has ended.

    Args:
        time_s: (n,) seconds since ``clock.start_ns``, increasing but for what ``order_error`` allows.
        changes: (n - 1,) where a segment border lies between two samples.
        clock: Rate and tolerance.
    """
    steps = np.diff(time_s)
    is_gap = steps > clock.longest_step_s
    first_n = _borders(is_gap | changes | (steps < 0.0))
    stamped_ns = clock.start_ns + np.round(time_s[first_n] * NS_PER_S).astype(np.int64)
    is_late = bool((steps <= 0.0).any())
    start_ns = _after_each_other(first_n, stamped_ns, clock.rate_hz) if is_late else stamped_ns
    delay_ns = (start_ns - stamped_ns).tolist()
    interval_ns = samples_ns(1, clock.rate_hz)
    after = np.flatnonzero(is_gap & ~changes) + 1
    gaps = tuple(
        TimeGap(
            clock.start_ns + round(float(time_s[row - 1]) * NS_PER_S) + interval_ns + delay_ns[index - 1],
            clock.start_ns + round(float(time_s[row]) * NS_PER_S) + delay_ns[index],
        )
        for row, index in zip(after, np.searchsorted(first_n, after).tolist(), strict=True)
    )
    measured_hz = _measured_rate_hz(time_s, clock)
    return Timeline(
        source=STAMPS,
        first_n=first_n,
        start_ns=start_ns,
        n_samples=len(time_s),
        gaps=gaps,
        measured_rate_hz=measured_hz,
        drift_ppm=(measured_hz / clock.rate_hz - 1.0) * 1e6,
        largest_error_s=_largest_error_s(time_s, first_n, clock.rate_hz),
    )


def _after_each_other(first_n: NDArray[np.int64], start_ns: NDArray[np.int64], rate_hz: float) -> NDArray[np.int64]:
    """Starts (n_stretch,) of stretches, put off until the one before has ended."""
    lengths_ns = [samples_ns(int(n), rate_hz) for n in np.diff(first_n)]
    before_ns = np.cumsum([0, *lengths_ns], dtype=np.int64)
    return np.maximum.accumulate(start_ns - before_ns) + before_ns


def _borders(changes: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)


def _measured_rate_hz(time_s: NDArray[np.float64], clock: ClockSettings) -> float:
    meter = RateMeter(clock)
    meter.add(np.diff(time_s))
    return meter.rate_hz


class RateMeter:
    """The mean rate between gaps; by the median step where every step looks like a gap, as at a quite wrong rate.

    Of slow values, a step over a skipped sample counts as two.
    """

    def __init__(self, clock: ClockSettings) -> None:
        self._clock = clock
        self._sum_s = 0.0
        self._n = 0
        self._median_s = 0.0

    def add(self, steps: NDArray[np.float64]) -> None:
        """Measure steps (n,) between stamps, in seconds."""
        within = steps[(steps >= 0.0) & (steps <= self._clock.longest_step_s)]
        if self._clock.is_slow:
            within = within / np.maximum(np.round(within * self._clock.rate_hz), 1.0)
        self._sum_s += float(np.sum(within))
        self._n += within.size
        if steps.size and not self._n:
            self._median_s = float(np.median(steps))

    @property
    def is_lost(self) -> bool:
        """Whether no step so far was one between neighbours."""
        return not self._n

    @property
    def rate_hz(self) -> float:
        """The rate by what was added; the stated one where that is nothing."""
        if not self._n and not self._median_s:
            return self._clock.rate_hz
        step_s = self._sum_s / self._n if self._n else self._median_s
        return 1.0 / step_s if step_s > 0.0 else float("inf")

    def error(self, tolerance: float) -> str:
        """What is wrong with the rate, or nothing: it may be off the stated one by ``tolerance``, a share."""
        if abs(self.rate_hz / self._clock.rate_hz - 1.0) <= tolerance:
            return ""
        return f"{self.rate_hz:.6g} Hz"


def _largest_error_s(time_s: NDArray[np.float64], first_n: NDArray[np.int64], rate_hz: float) -> float:
    lengths = np.diff(np.append(first_n, len(time_s)))
    counted_s = (np.arange(len(time_s)) - np.repeat(first_n, lengths)) / rate_hz
    return float(np.max(np.abs(time_s - np.repeat(time_s[first_n], lengths) - counted_s)))
