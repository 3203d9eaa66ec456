"""The quality of the wall clock: the kernel's word, and what no clock can show."""

from __future__ import annotations

import pytest

from edge_agent import clock

KERNEL = [("synchronised", 0), ("unsynchronised", 5), ("unknown", -1)]


class Kernel:
    """Answers adjtimex(2)."""

    def __init__(self, state: int) -> None:
        self._state = state

    def adjtimex(self, _: object) -> int:
        """The state of the clock."""
        return self._state


@pytest.mark.parametrize(("quality", "state"), KERNEL)
def test_the_kernel_tells(monkeypatch: pytest.MonkeyPatch, quality: str, state: int) -> None:
    """Each answer of the kernel has a word; in 1970 none is believed."""
    monkeypatch.setattr(clock, "_libc", Kernel(state))
    assert clock.clock_quality() == quality
    monkeypatch.setattr(clock.time, "time", lambda: 12.0)
    assert clock.clock_quality() == "unsynchronised"
