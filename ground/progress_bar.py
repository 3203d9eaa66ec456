"""Progress on the terminal: one bar for each thing that is being done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ground.progress import Progress

LINE_EVERY_S: Final = 60.0
"""Where there is no terminal, how far it has come is told at most so often: a log must not look like a standstill."""


@contextmanager
def shown_progress(console: Console, now_s: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Show progress while the block runs.

    On anything but a terminal the finished bars remain, and before them a line a minute, as steps end.

    Args:
        console: Where to.
        now_s: The monotonic clock.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    told_s = now_s()
    with Bars(*columns, console=console) as bars:

        def advance(what: str, done: int, total: int) -> None:
            """See ``Progress``."""
            nonlocal told_s
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)
            if not console.is_terminal and done < total and now_s() - told_s >= LINE_EVERY_S:
                told_s = now_s()
                console.print(f"{what} {done}/{total}", markup=False, highlight=False, soft_wrap=True)

        yield advance
