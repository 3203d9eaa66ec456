"""The guard of the main thread: a fault of its own code costs one step of one report, not the watch over an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.health import Counters

MAIN_LOOP_ERRORS: Final = "main_loop_errors"
"""Counts them, by step. Not ``internal_errors``: a report that fails says nothing of a bundle on probation."""

_log = structlog.get_logger(__name__)


class Guard:
    """Runs steps that must not end the thread they run in; used by one thread.

    Args:
        counters: Take ``main_loop_errors.<step>``.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._told: set[tuple[str, str]] = set()

    def run(self, step: str, action: Callable[[], object]) -> None:
        """Do it; a fault is counted, and the first of its kind in this step is logged.

        Args:
            step: Its name, a short label.
            action: What to do.
        """
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the main loop's one catch-all: a report never costs the agent
            self._counters.add(f"{MAIN_LOOP_ERRORS}.{step}")
            # What fails once fails at every report; all are counted.
            key = (step, type(error).__name__)
            if key not in self._told:
                self._told.add(key)
                _log.error("step of the main loop failed, the agent goes on", step=step, exc_info=True)
