"""Wear: how much is written to a flash in a day, at the pace of the last day."""

from __future__ import annotations

from collections import deque

_HOUR_S = 3_600.0
_DAY_S = 24.0 * _HOUR_S
_MIB = 1024 * 1024
_MOST_HOURS = 26
"""Sums that may lie within a day: each begins an hour or more after the one before."""


class Wear:
    """Bytes written over the last 24 hours, in hourly sums; one thread adds, any asks.

    Args:
        now_s: Monotonic time of the start.
    """

    def __init__(self, now_s: float) -> None:
        self._start_s = now_s
        self._hours: deque[tuple[float, int]] = deque([(now_s, 0)], maxlen=_MOST_HOURS)

    def add(self, n_bytes: int, now_s: float) -> None:
        """Note that ``n_bytes`` were written."""
        begin_s, so_far = self._hours[-1]
        if now_s - begin_s < _HOUR_S:
            self._hours[-1] = (begin_s, so_far + n_bytes)
        else:
            self._hours.append((now_s, n_bytes))

    def mib_per_day(self, now_s: float) -> float:
        """MiB a day at the pace of the last 24 hours; within the first hour, what was written in it."""
        # A copy: one thread asks while another adds.
        hours = list(self._hours)
        hours = [hour for hour in hours if now_s - hour[0] < _DAY_S] or hours[-1:]
        span_s = min(_DAY_S, max(_HOUR_S, now_s - hours[0][0]))
        return sum(n_bytes for _, n_bytes in hours) / _MIB * _DAY_S / span_s
