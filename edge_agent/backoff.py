"""Waits between attempts: doubling, half of each at random so that a fleet does not come back in step."""

from __future__ import annotations

import random


class Backoff:
    """Gives the next wait.

    Args:
        first_s: The first wait.
        longest_s: The longest.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait now: half to the whole of a wait that doubles up to the longest."""
        wait_s, self._next_s = self._next_s, min(2.0 * self._next_s, self._longest_s)
        return spread(wait_s)


def spread(wait_s: float) -> float:
    """``wait_s``, half of it at random."""
    return wait_s * random.uniform(0.5, 1.0)
