"""When each engine was last heard."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from edge_agent.frame import NS_PER_S
from edge_agent.streams import name_of

if TYPE_CHECKING:
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.publication import Publication

SILENT_S: Final = 60.0
"""An engine that was not heard for so long is silent."""
FORGOTTEN_S: Final = 3_600.0
"""After so long an engine that nobody named is taken for gone: moved, or switched off for good."""
MOST_LISTED: Final = 64
"""Most engines remembered: names come from outside."""


class Heard:
    """An observer that notes the time of each engine's last good frame; read from any thread.

    Args:
        expected: Engines that should be heard, as ``aircraft/engine``; they are listed from the start.
        now_ns: The monotonic clock.
    """

    def __init__(self, expected: Collection[str], now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._expected = frozenset(expected)
        self._now_ns = now_ns
        self._limit = max(MOST_LISTED, len(expected))
        self._last_ns: OrderedDict[str, int] = OrderedDict.fromkeys(expected, now_ns())
        self._lock = threading.Lock()

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:  # noqa: ARG002 - an observer
        """Note the frame's engine; publishes nothing."""
        name = name_of(frame)
        with self._lock:
            self._last_ns[name] = self._now_ns()
            self._last_ns.move_to_end(name)
            while len(self._last_ns) > self._limit:
                del self._last_ns[self._least_needed()]
        return []

    def expect(self, expected: Collection[str]) -> None:
        """Change to other engines that should be heard; what was heard of any stays."""
        with self._lock:
            self._expected = frozenset(expected)
            self._limit = max(MOST_LISTED, len(expected))
            for name in expected:
                self._last_ns.setdefault(name, self._now_ns())

    def ages_s(self) -> dict[str, float]:
        """Seconds since each engine was heard, or since the start for one that is expected, longest first."""
        with self._lock:
            now_ns = self._now_ns()
            ages_s = {name: (now_ns - last_ns) / NS_PER_S for name, last_ns in self._last_ns.items()}
        return {name: age_s for name, age_s in ages_s.items() if age_s < FORGOTTEN_S or name in self._expected}

    def silent(self) -> list[str]:
        """The engines that should be heard and are not.

        Those are the expected ones. Where none is named, it is one that is quiet while another speaks: all of them
        quiet is an aircraft that is parked.
        """
        ages_s = self.ages_s()
        silent = [name for name, age_s in ages_s.items() if age_s > SILENT_S]
        if self._expected:
            return [name for name in silent if name in self._expected]
        return silent if len(silent) < len(ages_s) else []

    def _least_needed(self) -> str:
        return next(name for name in self._last_ns if name not in self._expected)
