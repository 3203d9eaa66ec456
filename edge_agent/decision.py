"""From scores to states: per-phase thresholds, persistence (k of n) and hysteresis."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_agent.thresholds import Thresholds

NORMAL: Final = "normal"
WARNING: Final = "warning"
ALARM: Final = "alarm"
NOT_ASSESSED: Final = "not_assessed"

NO_EVENT: Final = ""
RAISED: Final = "raised"
CLEARED: Final = "cleared"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one score means.

    Attributes:
        state: ``normal``, ``warning`` (above the threshold, not yet persistent) or ``alarm``.
        threshold: The threshold that the score was held against.
        event: ``raised`` or ``cleared`` when this window begins or ends an alarm.
    """

    state: str
    threshold: float
    event: str


class Decider:
    """Remembers the last ``n`` assessed windows of one engine and decides about the next."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._ratios: deque[float] = deque(maxlen=thresholds.n)
        self._alarm = False

    def reset(self) -> None:
        """Forget: another flight begins. A standing alarm is dropped without ``cleared``: its end was not seen."""
        self._ratios.clear()
        self._alarm = False

    def decide(self, score: float, phase: str) -> Decision:
        """Decide about the next assessed window.

        Args:
            score: Its score; higher is stranger.
            phase: Its flight phase.
        """
        threshold = self._thresholds.of(phase)
        self._ratios.append(score / threshold)
        above = sum(ratio > 1.0 for ratio in self._ratios)
        was_alarm = self._alarm
        self._alarm = above >= self._thresholds.k or (was_alarm and self._is_held())
        if self._alarm:
            return Decision(ALARM, threshold, NO_EVENT if was_alarm else RAISED)
        state = WARNING if self._ratios[-1] > 1.0 else NORMAL
        return Decision(state, threshold, CLEARED if was_alarm else NO_EVENT)

    def _is_held(self) -> bool:
        return any(ratio >= self._thresholds.release_ratio for ratio in self._ratios)
