"""The probation of a bundle that was activated: so many windows and minutes without a fault of the program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.decision import NOT_ASSESSED
from edge_agent.errors import ConfigError, SlotRefused
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import FAULTS, PROBATION, SlotsState, end_cleanly, fail_probation, loaded, mark_good

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.health import Counters
    from edge_agent.publication import Publication

MOST_FAULTS: Final = 10
"""A bundle on probation that makes the program fail so often, and assesses no window between, gives way."""
_S_PER_MINUTE = 60.0
_FAULTS = "internal_errors"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trial:
    """The bundle that runs, and what was seen of it; another one for each bundle.

    Attributes:
        digest: The bundle.
        since_s: Monotonic time since which there was no fault.
        faults_before: Faults of the program until then.
        is_over: Whether there is nothing to decide any more.
        windows: Windows that it assessed.
        windows_before: Of these, those before the last fault.
        windows_seen: Of these, those that the last tick knew of.
        faults_in_a_row: Faults since a window was assessed.
    """

    digest: str
    since_s: float
    faults_before: int
    is_over: bool
    windows: int = 0
    windows_before: int = 0
    windows_seen: int = 0
    faults_in_a_row: int = 0


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
        self._ledger, self._section = SlotLedger(config.agent.state_dir), config.bundle
        self._counters, self._now_s = counters, now_s
        self.swap(digest)

    def swap(self, digest: str) -> None:
        """Another bundle runs from now on; may be called from any thread."""
        self._trial = _Trial(digest, self._now_s(), self._faults(), is_over=not self._section.slots)

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """See ``Observer``."""
        del frame
        trial = self._trial
        for assessment in (judgement.assessment for judgement in judgements):
            trial.windows += assessment.state != NOT_ASSESSED and assessment.bundle_digest == trial.digest
        return []

    def tick(self) -> None:
        """Mark the bundle good once its probation is passed; a fault makes it start again, many in a row end it."""
        trial = self._trial
        if trial.is_over:
            return
        self._look_for_faults(trial)
        minutes = (self._now_s() - trial.since_s) / _S_PER_MINUTE
        windows = trial.windows - trial.windows_before
        if trial.faults_in_a_row >= MOST_FAULTS:
            trial.is_over = self._change(lambda state: fail_probation(_begun(state, trial), trial.digest, FAULTS))
        elif windows >= self._section.probation_windows and minutes >= self._section.probation_minutes:
            trial.is_over = self._change(lambda state: mark_good(_begun(state, trial), trial.digest))

    def close(self) -> None:
        """The agent ends, and not by the bundle: this start is not held against it."""
        trial = self._trial
        if not trial.is_over:
            self._change(lambda state: end_cleanly(state, trial.digest))

    def _look_for_faults(self, trial: _Trial) -> None:
        faults, windows = self._faults(), trial.windows
        if windows != trial.windows_seen:
            trial.faults_in_a_row = 0
        elif faults != trial.faults_before:
            trial.faults_in_a_row += faults - trial.faults_before
        trial.windows_seen = windows
        if faults != trial.faults_before:
            trial.since_s, trial.faults_before, trial.windows_before = self._now_s(), faults, windows

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


def _begun(state: SlotsState, trial: _Trial) -> SlotsState:
    """The state once the probation of what runs has begun: the disk may have refused to note that."""
    return loaded(state, trial.digest)
