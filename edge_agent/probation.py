"""The probation of a bundle that was activated: so many windows and minutes without a fault of the program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from edge_agent.decision import NOT_ASSESSED
from edge_agent.errors import ConfigError, SlotRefused
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import PROBATION, SlotsState, end_cleanly, mark_good

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.health import Counters
    from edge_agent.publication import Publication

_S_PER_MINUTE = 60.0
_FAULTS = "internal_errors"

_log = structlog.get_logger(__name__)


class Probation:
    """An ``Observer`` that counts windows in the worker's thread; the main thread asks it to come to a verdict.

    Without slots there is none, and nothing is written.

    Args:
        config: The agent's config.
        digest: Of the bundle that runs.
        counters: Tell of faults of the program.
        now_s: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        digest: str,
        counters: Counters,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._digest, self._section = SlotLedger(config.agent.state_dir), digest, config.bundle
        self._counters, self._now_s = counters, now_s
        self._windows = self._windows_before = 0
        self._since_s, self._faults_before = now_s(), self._faults()
        self._is_over = not config.bundle.slots

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """See ``Observer``."""
        del frame
        self._windows += sum(judgement.assessment.state != NOT_ASSESSED for judgement in judgements)
        return []

    def tick(self) -> None:
        """Mark the bundle good once its probation is passed; a fault makes it start again."""
        if self._is_over:
            return
        if (faults := self._faults()) != self._faults_before:
            self._since_s, self._faults_before, self._windows_before = self._now_s(), faults, self._windows
        minutes = (self._now_s() - self._since_s) / _S_PER_MINUTE
        windows = self._windows - self._windows_before
        if windows >= self._section.probation_windows and minutes >= self._section.probation_minutes:
            self._is_over = self._change(lambda state: mark_good(state, self._digest))

    def close(self) -> None:
        """The agent was asked to end: this start is not held against the bundle."""
        if not self._is_over:
            self._change(lambda state: end_cleanly(state, self._digest))

    def _change(self, event: Callable[[SlotsState], SlotsState]) -> bool:
        """Whether the disk took it; where it does not, the next tick tries again."""
        try:
            state = self._ledger.change(event)
        except (SlotRefused, ConfigError) as error:
            _log.error("state of the slots not written", error=str(error))
            return False
        if state.stage != PROBATION:
            _log.info("probation over", stage=state.stage, bundle=state.active.bundle_id, mark=state.mark_rank)
        return True

    def _faults(self) -> int:
        return self._counters.snapshot().get(_FAULTS, 0)
