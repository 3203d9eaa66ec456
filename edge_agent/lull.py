"""The lull: the longest time between two windows of all engines, as far as their rhythm tells.

Windows come by the hop, engine by engine; so after which engine's window the wait was longest, it will be again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from edge_agent.streams import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.publication import Publication

MOST_ENGINES: Final = 256
"""Engines whose rhythm is remembered; with so many there is hardly a lull."""
_NOBODY: Final = ""


class Lull:
    """An ``Observer`` whose ``wait`` ends when the longest lull has just begun.

    Args:
        now_s: The monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last = (_NOBODY, now_s())
        self._after: OrderedDict[str, float] = OrderedDict()
        self._awaited = _NOBODY
        self._has_begun = threading.Event()

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """See ``Observer``."""
        if judgements:
            engine, now_s = name_of(frame), self._now_s()
            self._note(*self._last, now_s)
            self._last = (engine, now_s)
            if engine == self._awaited:
                self._has_begun.set()
        return []

    def _note(self, engine: str, answered_s: float, now_s: float) -> None:
        """The next window after that of ``engine``; nobody's is the time before the first one."""
        if engine == _NOBODY:
            return
        self._after[engine] = now_s - answered_s
        self._after.move_to_end(engine)
        if len(self._after) > MOST_ENGINES:
            self._after.popitem(last=False)

    def wait(self, timeout_s: float) -> bool:
        """Wait, in another thread than the worker's, for the window after which the next one has been longest to come.

        Returns:
            Whether it came; false where it did not for so long, and any time is as good as another.
        """
        # Nobody is awaited meanwhile: a window of an earlier wait must not end this one.
        self._awaited = _NOBODY
        after = self._after.copy()
        self._has_begun.clear()
        self._awaited = max(after, key=lambda engine: after[engine], default=_NOBODY)
        return self._has_begun.wait(timeout_s)
