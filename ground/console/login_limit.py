"""How often a login may fail, and how many are looked at at once: guessing passwords is to take years."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

ATTEMPTS: Final = 5
"""Failures of one name from one address,"""
FROM_ADDRESS: Final = 25
"""of one address, whatever the names,"""
OF_NAME: Final = 50
"""and of one name from wherever: more, so that a stranger cannot easily shut somebody out,"""
SPAN_S: Final = 300.0
"""within so long, s."""
AT_ONCE: Final = 6
"""Logins that are looked at or wait for it: each holds a thread that pages need, too."""
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Wait:
    """Whether an attempt may be made.

    Attributes:
        seconds: How long it has to wait, s; 0 where it may be made.
        is_news: Whether nobody was told to wait for the same reason before, since failures became too many.
    """

    seconds: float
    is_news: bool = False


@dataclass(slots=True)
class _Count:
    """When attempts of one key were made, monotonic s, and whether somebody was told to wait since."""

    begun_s: deque[float] = field(default_factory=deque)
    is_told: bool = False


class LoginLimit:
    """Counts logins; one that is under way counts as failed, else many at once would be as many guesses.

    Args:
        now_s: The monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place among the logins that are looked at, for the length of the block; false where all are taken."""
        is_free = self._places.acquire(blocking=False)
        try:
            yield is_free
        finally:
            if is_free:
                self._places.release()

    def enter(self, name: str, address: str) -> Wait:
        """Begin an attempt, which counts as failed until ``succeeded``; or say how long it has to wait."""
        with self._lock:
            for key, most in _keys(name, address):
                if wait_s := self._wait_s(key, most):
                    count = self._counts[key]
                    is_news, count.is_told = not count.is_told, True
                    return Wait(wait_s, is_news)
            for key, _ in _keys(name, address):
                self._count(key).begun_s.append(self._now_s())
            return Wait(0.0)

    def succeeded(self, name: str, address: str) -> None:
        """Take an attempt back, and forget the failures of that name from that address."""
        with self._lock:
            both, *others = (key for key, _ in _keys(name, address))
            self._counts.pop(both, None)
            for key in others:
                count = self._counts.get(key)
                if count and count.begun_s:
                    count.begun_s.pop()

    def _wait_s(self, key: str, most: int) -> float:
        count = self._counts.get(key)
        if count is None:
            return 0.0
        begun_s, now_s = count.begun_s, self._now_s()
        while begun_s and now_s - begun_s[0] >= SPAN_S:
            begun_s.popleft()
        if len(begun_s) < most:
            count.is_told = False
            return 0.0
        return begun_s[-most] + SPAN_S - now_s

    def _count(self, key: str) -> _Count:
        if key not in self._counts and len(self._counts) >= _MOST_KEPT:
            self._counts.pop(next(iter(self._counts)))
        return self._counts.setdefault(key, _Count())


def _keys(name: str, address: str) -> tuple[tuple[str, int], ...]:
    """What is counted, and how many of it may fail."""
    return ((f"both {name}\n{address}", ATTEMPTS), (f"address {address}", FROM_ADDRESS), (f"name {name}", OF_NAME))
