"""The lull: it begins after the window after which the next one has been longest to come."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.lull import MOST_ENGINES, Lull

WAIT_S = 30.0
WINDOWS: Any = [object()]
AT_S = {"1": 0.0, "2": 0.025, "3": 0.4, "4": 0.425}
"""When engines have their windows within a second: the longest wait is after the fourth."""


def frame(engine: str) -> Any:
    """A frame of an engine."""
    return SimpleNamespace(aircraft="A", engine=engine)


class Rhythm:
    """A lull that sees windows of engines in their rhythm, one a call."""

    def __init__(self) -> None:
        self.now_s = -100.0  # the agent has waited long for its first window
        self.lull = Lull(lambda: self.now_s)
        self._windows = ((second + at_s, engine) for second in itertools.count() for engine, at_s in AT_S.items())

    def window(self) -> str:
        """The next window; gives its engine."""
        self.now_s, engine = next(self._windows)
        self.lull.observe(frame("0"), [])
        assert self.lull.observe(frame(engine), WINDOWS) == []
        return engine


@pytest.mark.parametrize("seen", [6, 7, 8, 9])
def test_the_longest_wait_is_found(seen: int) -> None:
    """Whenever it is asked for."""
    rhythm = Rhythm()
    for _ in range(seen):
        rhythm.window()
    begun: list[bool] = []
    waits = threading.Thread(target=lambda: begun.append(rhythm.lull.wait(WAIT_S)))
    waits.start()
    while not rhythm.lull._awaited:
        pass
    answered = []
    while waits.is_alive():
        answered.append(rhythm.window())
        waits.join(0.2)
    assert begun == [True]
    assert answered[-1] == "4"
    assert len(answered) <= len(AT_S)


def test_nothing_comes() -> None:
    """Then it does not matter when."""
    lull = Lull()
    assert not lull.wait(0.01)
    lull.observe(frame("1"), WINDOWS)
    assert not lull.wait(0.01)


def test_invented_engines_fill_no_memory() -> None:
    """Those of late are remembered."""
    lull = Lull()
    for number in range(3 * MOST_ENGINES):
        lull.observe(frame(str(number)), WINDOWS)
    assert len(lull._after) == MOST_ENGINES
