"""What is said of something that stays wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

AGAIN_S: Final = 3_600.0


class Reminder:
    """Says each thing once, and again each hour that it lasts.

    Args:
        say: Told.
        now_s: The monotonic clock.
    """

    def __init__(self, say: Callable[[str], object], *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._now_s = now_s
        self._text = ""
        self._said_s = 0.0

    def tell(self, text: str) -> None:
        """Say what is wrong."""
        now_s = self._now_s()
        if text != self._text or now_s - self._said_s >= AGAIN_S:
            self._text, self._said_s = text, now_s
            self._say(text)

    def end(self) -> None:
        """It is right again: what comes next is said at once."""
        self._text = ""
