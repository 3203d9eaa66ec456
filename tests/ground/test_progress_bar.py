"""Progress: a line a minute where no terminal shows bars."""

from __future__ import annotations

import io

from rich.console import Console

from ground.progress_bar import LINE_EVERY_S, shown_progress

STEPS = 6
TOTAL = 5


def lines_of(*, step_s: float, terminal: bool) -> list[str]:
    """What is written before the finished bars by work of ``STEPS`` steps."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60)
    clock = [0.0]
    with shown_progress(console, lambda: clock[0]) as progress:
        for done in range(STEPS):
            clock[0] = done * step_s
            progress("examine", done, TOTAL)
        written = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [line for line in written if line.startswith("examine ") and "/" in line and "━" not in line]


def test_a_log_of_hours_tells_how_far_it_has_come() -> None:
    """Not each step, and the last one is the bar's to tell."""
    assert lines_of(step_s=LINE_EVERY_S / 2.0, terminal=False) == ["examine 2/5", "examine 4/5"]


def test_what_is_short_tells_the_end_alone() -> None:
    """Seconds of work fill no log."""
    assert lines_of(step_s=1.0, terminal=False) == []


def test_a_terminal_has_bars() -> None:
    """And no lines between them."""
    assert lines_of(step_s=LINE_EVERY_S, terminal=True) == []
