"""Who was heard when: engines and agents of which nothing comes are not shown as they once were. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from edge_agent.status_file import MISSED_INTERVALS

MISSED_WINDOWS: Final = 2
"""An engine without a result for so many windows is silent; a hop is at most a window."""
LONGEST_INTERVAL_S: Final = 3_600.0
"""Between two statuses, by an agent's config."""
_USUAL_INTERVAL_S: Final = 10.0
_LONGEST_WINDOW_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class _Engine:
    """The last result of an engine."""

    agent: str
    at_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class _Agent:
    """The last status of an agent."""

    at_s: float
    interval_s: float

    def is_missed(self, now_s: float) -> bool:
        """Whether it is dead or stuck."""
        return now_s - self.at_s > MISSED_INTERVALS * self.interval_s


class VitalSigns:
    """The last signs of life of engines and agents, by device.

    Args:
        silent_after_s: After so long an engine is silent; None: after three statuses of its agent, or two windows
            where that is longer.
    """

    def __init__(self, silent_after_s: float | None = None) -> None:
        self._silent_after_s = silent_after_s
        self._engines: dict[str, _Engine] = {}
        self._agents: dict[str, _Agent] = {}

    def engine(self, device: str, agent: str, *, window_s: float, now_s: float) -> None:
        """A live result of an engine came."""
        self._engines[device] = _Engine(agent, now_s, window_s)

    def agent(self, name: str, *, interval_s: float, now_s: float) -> None:
        """A status of an agent came, of which there is one each ``interval_s``."""
        self._agents[name] = _Agent(now_s, interval_s)

    def gone(self, agent: str) -> list[str]:
        """The devices of an agent that is gone, itself the last; they are forgotten."""
        devices = [*(device for device, sign in self._engines.items() if sign.agent == agent), agent]
        return self._forget(devices)

    def silent(self, now_s: float) -> list[str]:
        """The devices of which nothing came for too long; they are forgotten."""
        engines = [each for each, sign in self._engines.items() if now_s - sign.at_s > self._patience_s(sign)]
        agents = [name for name, last in self._agents.items() if last.is_missed(now_s)]
        return self._forget([*engines, *agents])

    def all(self) -> list[str]:
        """All devices, engines first; they are forgotten."""
        return self._forget([*self._engines, *self._agents])

    def _patience_s(self, sign: _Engine) -> float:
        if self._silent_after_s is not None:
            return self._silent_after_s
        known = self._agents.get(sign.agent)
        interval_s = known.interval_s if known else _USUAL_INTERVAL_S
        return max(MISSED_INTERVALS * interval_s, MISSED_WINDOWS * min(sign.window_s, _LONGEST_WINDOW_S))

    def _forget(self, devices: list[str]) -> list[str]:
        for device in devices:
            self._engines.pop(device, None)
            self._agents.pop(device, None)
        return devices


def checked_interval_s(value: Any) -> float:
    """The interval of an agent's statuses, as one of them says it.

    Raises:
        ValueError: None that an agent has.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.0 < value <= LONGEST_INTERVAL_S:
        raise ValueError(f"status_interval_s: expected up to {LONGEST_INTERVAL_S} s, got {value!r:.40}")
    return float(value)
