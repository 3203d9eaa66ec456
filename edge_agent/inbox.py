"""The inbox: the one queue between the link thread (edge_agent.link, edge_agent.mqtt) and the worker.

Bounded; drops the oldest, and counts.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came.

    Attributes:
        topic: Its topic.
        payload: Its bytes, not looked at yet.
        received_ns: Monotonic time at which its last byte was there.
        retained: Whether the broker had kept it, so that it tells of the past.
    """

    topic: str
    payload: bytes
    received_ns: int
    retained: bool = False


class Inbox:
    """A bounded queue of arrivals.

    What is new is worth more than what is old: beyond a limit the oldest arrivals go, so that the worker catches up
    instead of falling behind for ever.

    Args:
        max_frames: Most arrivals held.
        max_bytes: Most payload bytes held; the newest arrival is held even where it alone is longer.
    """

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._arrivals: deque[Arrival] = deque()
        self._bytes = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def dropped(self) -> int:
        """Arrivals dropped because the inbox was full or closed."""
        return self._dropped

    @property
    def age_ms(self) -> int:
        """How long the oldest arrival has waited, ms; 0 when none does."""
        with self._changed:
            return (time.monotonic_ns() - self._arrivals[0].received_ns) // _NS_PER_MS if self._arrivals else 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def bound(self, *, max_frames: int, max_bytes: int) -> None:
        """Hold so many from the next arrival on."""
        with self._changed:
            self._max_frames = max_frames
            self._max_bytes = max_bytes

    def put(self, arrival: Arrival) -> None:
        """Add an arrival and wake the worker; never waits."""
        with self._changed:
            if self._closed:
                self._dropped += 1
                return
            self._arrivals.append(arrival)
            self._bytes += len(arrival.payload)
            while self._is_over():
                self._bytes -= len(self._arrivals.popleft().payload)
                self._dropped += 1
            self._changed.notify()

    def take(self, timeout_s: float) -> Arrival:
        """The oldest arrival, as soon as there is one.

        Raises:
            Empty: There was none for ``timeout_s`` seconds, or the inbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals or self._closed, timeout_s)
            if self._closed or not self._arrivals:
                raise Empty
            arrival = self._arrivals.popleft()
            self._bytes -= len(arrival.payload)
            return arrival

    def close(self) -> None:
        """Drop what waits, take no more, and wake the worker."""
        with self._changed:
            self._closed = True
            self._dropped += len(self._arrivals)
            self._arrivals.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _is_over(self) -> bool:
        full = len(self._arrivals) > self._max_frames or self._bytes > self._max_bytes
        return full and len(self._arrivals) > 1
