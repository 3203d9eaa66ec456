"""How often a login may fail: guessing passwords is to take years."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

ATTEMPTS: Final = 5
"""Failures of one name, and five times as many of one address,"""
SPAN_S: Final = 300.0
"""within so long, s."""
_PER_ADDRESS = 5
_MOST_KEPT = 10_000


class LoginLimit:
    """Counts logins that failed.

    Args:
        now_s: The monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str) -> float:
        """How long the next attempt has to wait, s; 0 where it may be made."""
        with self._lock:
            of_name = self._wait_s(f"name {name}", ATTEMPTS)
            return max(of_name, self._wait_s(f"address {address}", ATTEMPTS * _PER_ADDRESS))

    def failed(self, name: str, address: str) -> None:
        """Note a failure."""
        with self._lock:
            for key in (f"name {name}", f"address {address}"):
                if key not in self._failures and len(self._failures) >= _MOST_KEPT:
                    self._failures.pop(next(iter(self._failures)))
                self._failures.setdefault(key, deque(maxlen=ATTEMPTS * _PER_ADDRESS)).append(self._now_s())

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        with self._lock:
            self._failures.pop(f"name {name}", None)

    def _wait_s(self, key: str, most: int) -> float:
        failures = self._failures.get(key, deque())
        while failures and self._now_s() - failures[0] >= SPAN_S:
            failures.popleft()
        return failures[-most] + SPAN_S - self._now_s() if len(failures) >= most else 0.0
