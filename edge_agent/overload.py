"""The ladder of overload: what the agent stops doing, in which order, while frames come faster than it can handle them.

docs/reference/agent.md states it; docs/adr/0019-overload.md says why.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import structlog

NORMAL: Final = "normal"
BUSY: Final = "busy"
SHEDDING: Final = "shedding"

CALM_S = 10.0
"""A rung is left when nothing has asked for it for so long: what is shed comes back at once, but never flutters."""

IN_A_ROW = 4
"""Frames in a row that must have waited too long: a single pause of the machine is no overload."""

_log = structlog.get_logger(__name__)


class Rung(IntEnum):
    """How far up the ladder the agent is; each rung sheds what the ones below do, too."""

    NOTHING = 0
    SHADOW = 1
    DRIFT = 2
    FRAMES = 3


_FULLNESS = {Rung.SHADOW: 0.5, Rung.DRIFT: 0.75}
"""Share of the inbox that is taken."""
_DEADLINES = {Rung.SHADOW: 0.5, Rung.DRIFT: 1.0}
"""Time that each of some frames has waited, in deadlines. The shadow goes before results are late."""


class Ladder:
    """Decides what is shed. Told of the load by the worker; read by anyone.

    Args:
        deadline_ms: When a result is late.
        now_s: The monotonic clock.

    Attributes:
        deadline_ms: The same.
    """

    def __init__(self, deadline_ms: float, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.deadline_ms = deadline_ms
        self._now_s = now_s
        self._rung = Rung.NOTHING
        self._calm_since_s = now_s()
        self._dropped = 0
        self._late = deque([Rung.NOTHING] * IN_A_ROW, maxlen=IN_A_ROW)

    @property
    def rung(self) -> Rung:
        """How far up it is."""
        return self._rung

    @property
    def state(self) -> str:
        """``normal``; ``busy`` where something that only watches is shed; ``shedding`` where frames are."""
        if self._rung == Rung.FRAMES:
            return SHEDDING
        return BUSY if self._rung else NORMAL

    @property
    def shed(self) -> list[str]:
        """Names of what is shed now, in the order of the ladder."""
        return [rung.name.lower() for rung in Rung if Rung.NOTHING < rung <= self._rung]

    def sheds(self, rung: Rung) -> bool:
        """Whether what belongs to ``rung`` is shed now."""
        return self._rung >= rung

    def observe(self, *, waited_ms: float, fullness: float, dropped: int) -> None:
        """Look at the load; up at once, one rung after the other, down only after a calm.

        Args:
            waited_ms: How long the frame in hand has waited; 0 where there is none.
            fullness: Share of the inbox that is taken.
            dropped: Frames that the inbox has dropped for want of room, ever.
        """
        wanted = self._wanted(waited_ms, fullness, dropped)
        self._dropped = dropped
        now_s = self._now_s()
        while self._rung < wanted:
            self._move(Rung(self._rung + 1))
        if self._rung <= wanted:
            self._calm_since_s = now_s
        elif now_s - self._calm_since_s >= CALM_S:
            self._calm_since_s = now_s
            self._move(Rung(self._rung - 1))

    def _wanted(self, waited_ms: float, fullness: float, dropped: int) -> Rung:
        if dropped > self._dropped:
            return Rung.FRAMES
        self._late.append(_reached(_DEADLINES, waited_ms / self.deadline_ms))
        return max(_reached(_FULLNESS, fullness), min(self._late))

    def _move(self, rung: Rung) -> None:
        log = _log.warning if rung > self._rung else _log.info
        self._rung = rung
        log("load changed", load=self.state, shed=self.shed)


def _reached(limits: dict[Rung, float], value: float) -> Rung:
    # Asked twice a frame, and nearly always answered so.
    if value < limits[Rung.SHADOW]:
        return Rung.NOTHING
    return max(rung for rung, limit in limits.items() if value >= limit)
