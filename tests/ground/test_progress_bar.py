"""Progress: a line a minute where no terminal shows bars."""

from __future__ import annotations

import io
import re

from rich.console import Console

from ground.progress_bar import LINE_EVERY_S, shown_progress

STEPS = 6
TOTAL = 5
BAR = "━"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def lines_of(*, step_s: float, terminal: bool = False, what: str = "examine") -> list[str]:
    """What work of ``STEPS`` steps writes, without colours and movements."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=60, _environ={"TERM": "xterm"})
    clock = [0.0]
    with shown_progress(console, lambda: clock[0]) as progress:
        for done in range(STEPS):
            clock[0] = done * step_s
            progress(what, done, TOTAL)
    return [line.strip() for line in _CONTROL.sub("", file.getvalue()).splitlines() if line.strip()]


def told(lines: list[str]) -> list[str]:
    """The lines that are no bars."""
    return [line for line in lines if BAR not in line]


def test_a_log_of_hours_tells_how_far_it_has_come() -> None:
    """Not each step, and the last one is the bar's to tell."""
    lines = lines_of(step_s=LINE_EVERY_S / 2.0)
    assert told(lines) == ["examine 2/5", "examine 4/5"]
    assert len(lines) == 3


def test_what_is_short_tells_the_end_alone() -> None:
    """Seconds of work fill no log."""
    assert told(lines_of(step_s=1.0)) == []


def test_a_terminal_has_bars() -> None:
    """And no lines between them."""
    lines = lines_of(step_s=LINE_EVERY_S, terminal=True)
    assert lines
    assert told(lines) == []


def test_a_name_is_said_as_it_is() -> None:
    """What is done may be named by a user, and be long: it is neither markup nor cut."""
    name = "train [a/b] [bold]" + "x" * 60
    assert told(lines_of(step_s=LINE_EVERY_S / 2.0, what=name))[:1] == [f"{name} 2/5"]
