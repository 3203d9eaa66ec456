"""How often a login may fail: guessing passwords is to take years."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

ATTEMPTS: Final = 5
"""Failures of one name from one address,"""
FROM_ADDRESS: Final = 25
"""of one address, whatever the names,"""
OF_NAME: Final = 50
"""and of one name from wherever: more, so that a stranger cannot easily shut somebody out,"""
SPAN_S: Final = 300.0
"""within so long, s."""
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
            return max(self._wait_s(key, most) for key, most in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """Note a failure."""
        with self._lock:
            for key, most in _keys(name, address):
                if key not in self._failures and len(self._failures) >= _MOST_KEPT:
                    self._failures.pop(next(iter(self._failures)))
                self._failures.setdefault(key, deque(maxlen=most)).append(self._now_s())

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of a name from an address."""
        with self._lock:
            self._failures.pop(_keys(name, address)[0][0], None)

    def _wait_s(self, key: str, most: int) -> float:
        failures = self._failures.get(key, deque())
        while failures and self._now_s() - failures[0] >= SPAN_S:
            failures.popleft()
        return failures[-most] + SPAN_S - self._now_s() if len(failures) >= most else 0.0


def _keys(name: str, address: str) -> tuple[tuple[str, int], ...]:
    """What is counted, and how many of it may fail."""
    return ((f"both {name}\n{address}", ATTEMPTS), (f"address {address}", FROM_ADDRESS), (f"name {name}", OF_NAME))
