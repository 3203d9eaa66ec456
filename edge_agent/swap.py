"""The hot swap: what the slots say takes effect in the running agent, without a restart.

A thread of its own looks at the state of the slots. Another active bundle is counted as a start is, verified anew,
proven in a limited child, loaded and warmed, all beside the worker; then the worker goes over to it between two turns.
Whatever fails leaves the bundle that decides as it is. docs/reference/slots.md tells the rest.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.errors import BundleError, ConfigError, GoldenMismatch, ModelRejected, SlotRefused
from edge_agent.guard import MAIN_LOOP_ERRORS
from edge_agent.heap import give_back
from edge_agent.load import load_beside
from edge_agent.slots_disk import STATE_FILES
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import EMPTY, TRIAL, SlotsState, begin_boot, end_cleanly, give_up, loaded
from edge_agent.startup import noted_keys_of, slots_of_config
from edge_agent.trust_event import refused
from shared_features.makers import Makers

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel
    from edge_agent.swap_parts import SwapParts

LOOK_S: Final = 1.0
"""From one look at the state files to the next: two calls to the kernel."""
AGAIN_LOOKS: Final = 60
"""A trial that the disk would not count is tried again after so many looks."""
SWITCH_S: Final = 0.001
"""How long a thread may keep the interpreter while a bundle is prepared; Python's default would cost every hand-over
between the threads that answer 5 ms."""
LONGEST_WAIT_FOR_LULL_S: Final = 2.0
"""Engines that give no window for so long are not disturbed."""
INTERNAL_ERROR: Final = "internal_error"
CONFIG: Final = "config"
STOP_TIMEOUT_S: Final = 0.2
"""Longest wait for a swap under way when the agent ends."""

_FAULTS_OF_THE_BUNDLE = (GoldenMismatch, ModelRejected)
_NOTHING_ON_TRIAL = ""
_NOTHING = ()

_log = structlog.get_logger(__name__)


class Swapper:
    """Brings the running agent to the bundle that its slots name; does nothing where there are none.

    Args:
        config: The agent's config.
        parts: What follows the bundle.
        between_turns: Has something done by the worker between two turns.
        on_swap: Told when another bundle decides.
        wait_for_lull: Waits for the longest lull between windows, at most so many seconds.
    """

    def __init__(
        self,
        config: AgentConfig,
        parts: SwapParts,
        between_turns: Callable[[Callable[[], None]], None],
        on_swap: Callable[[], None],
        wait_for_lull: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._config = config
        self._ledger = SlotLedger(config.agent.state_dir)
        self._parts = parts
        self._between_turns = between_turns
        self._on_swap = on_swap
        self._wait_for_lull = wait_for_lull
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._seen: tuple[object, ...] = _NOTHING
        self._looks_left = 0
        self._refused = ""
        self._on_trial = _NOTHING_ON_TRIAL
        self._is_settled = self._is_tidy = True
        self._thread = self._new_thread()

    def start(self) -> None:
        """Begin to look; what the slots say now may be newer than what was loaded."""
        if self._config.bundle.slots:
            self._thread.start()

    def tick(self) -> None:
        """See that the thread lives: one that has died is started anew; for the main thread, at each report."""
        if self._config.bundle.slots and not (self._stopping.is_set() or self._thread.is_alive()):
            self._parts.health.counters.add(f"{MAIN_LOOP_ERRORS}.swap")
            _log.error("swap thread had ended, started anew")
            self._thread = self._new_thread()
            self._thread.start()

    def look(self) -> None:
        """Look at once, and anew at what could not be done; may be called from any thread."""
        self._seen, self._refused = _NOTHING, ""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further swap. One that is still under way is given up, and its trial is not held against it."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        if self._on_trial not in (_NOTHING_ON_TRIAL, self._parts.digest):
            self._note(lambda now: end_cleanly(now, self._on_trial))

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="swap", daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self._look)
            self._guarded(self._settle)
            self._wake.wait(LOOK_S)
            self._wake.clear()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - the loop's one catch-all: a swap must never cost the agent
            self._parts.health.counters.add("internal_errors")
            _log.error("swap failed", exc_info=True)

    def _look(self) -> None:
        self._looks_left -= 1
        # The stamp first: what changes after it is seen at the next look.
        stamp = self._stamp()
        if stamp == self._seen and self._looks_left != 0:
            return
        try:
            state = self._ledger.state()
        except (SlotRefused, ConfigError) as error:
            _log.error("state of the slots not read", error=str(error))
            self._seen = stamp
            return
        self._seen = stamp
        if state.stage == EMPTY or state.active.digest == self._refused:
            return
        self._refused = ""
        if state.active.digest == self._parts.digest:
            # Activated again before it had made way: it has been loaded and proven by this very run.
            if state.stage == TRIAL:
                # Of which nothing may be left, where it was good before.
                self._parts.probation.swap(self._parts.digest)
            self._note(lambda now: loaded(now, self._parts.digest))
        else:
            self._go_over(state)

    def _stamp(self) -> tuple[object, ...]:
        found: list[object] = []
        for name in STATE_FILES:
            with suppress(OSError):
                status = (self._ledger.folder / name).stat(follow_symlinks=False)
                found.append((name, status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def _go_over(self, before: SlotsState) -> None:
        """Count the trial, prepare the bundle, swap; or give it up."""
        try:
            state = self._ledger.change(begin_boot)
        except (SlotRefused, ConfigError) as error:
            _log.error("trial not counted", error=str(error))
            if before.is_unproven:
                # A trial that cannot be counted could go on for ever; so it is put off.
                self._looks_left = AGAIN_LOOKS
                return
            state = before
        self._on_trial = digest = state.active.digest
        if digest == self._parts.digest:
            _log.error("returned to the bundle that decides", reason=state.reason, bundle=state.active.bundle_id)
            return
        _log.info("swap begins", bundle=state.active.bundle_id, stage=state.stage)
        # Of the swap before, where this one follows at once.
        give_back()
        try:
            model = self._prepared(state, digest)
            if self._is_wanted(digest) and self._swap(model):
                self._tell(model)
        except BundleError as error:
            self._ledger.audit.note(refused(error, digest, state.active.bundle_id))
            self._give_up(state, error.reason, str(error), reject=isinstance(error, _FAULTS_OF_THE_BUNDLE))
        except ConfigError as error:
            self._give_up(state, CONFIG, str(error), reject=False)
        except Exception as error:
            self._give_up(state, INTERNAL_ERROR, type(error).__name__, reject=False)
            raise

    def _prepared(self, state: SlotsState, digest: str) -> LoadedModel:
        with _taking_turns():
            store = slots_of_config(self._config, noted_keys_of(self._config))
            bundle = store.open_beside(state, digest)
            # Making a session holds the interpreter.
            self._wait_for_lull(LONGEST_WAIT_FOR_LULL_S)
            return load_beside(bundle)

    def _is_wanted(self, digest: str) -> bool:
        """Whether the slots still name that bundle; its probation begins, as at a start."""
        state = self._note(lambda now: loaded(now, digest))
        return state.active.digest == digest and not self._stopping.is_set()

    def _swap(self, model: LoadedModel) -> bool:
        """Have the worker go over; whether it did before the agent was asked to end."""
        makers, faults, done = Makers(model.spec), list[Exception](), threading.Event()

        def task() -> None:
            try:
                # Asked to end meanwhile, the trial has been given back.
                if not self._stopping.is_set():
                    self._parts.swap(model, makers)
            except Exception as error:  # noqa: BLE001 - raised below: the worker must not end of it
                faults.append(error)
            finally:
                done.set()

        self._between_turns(task)
        while not done.wait(LOOK_S) and not self._stopping.is_set():
            pass
        for fault in faults:
            raise fault
        self._is_settled = self._is_tidy = False
        return self._parts.digest == model.bundle_digest

    def _tell(self, model: LoadedModel) -> None:
        self._parts.health.counters.add("swaps")
        _log.info("swapped", bundle=model.bundle_id, digest=model.bundle_digest)
        self._on_swap()

    def _settle(self) -> None:
        """Bring over engines that are not heard: as long as one is left, the former bundle stays in memory."""
        if not self._is_settled:
            self._between_turns(lambda: self._guarded(self._settle_now))
        elif not self._is_tidy:
            self._is_tidy = True
            give_back()

    def _settle_now(self) -> None:
        self._is_settled = self._parts.pipeline.streams.settle() == 0

    def _give_up(self, state: SlotsState, reason: str, text: str, *, reject: bool) -> None:
        """Let the slots return to the bundle before, as a start does; the one that decides goes on in any case."""
        self._parts.health.counters.add(f"swaps_refused.{reason}")
        _log.error("swap refused, the bundle before goes on", reason=reason, error=text, bundle=state.active.bundle_id)

        def event(now: SlotsState) -> SlotsState:
            if now.active != state.active or not now.can_return:
                return now
            return give_up(now, reason, reject=reject and state.is_unproven)

        if self._note(event).active == state.active:
            # There is nothing to return to: it is not tried at every look, but when somebody asks, or at a start.
            self._refused = state.active.digest

    def _note(self, event: Callable[[SlotsState], SlotsState]) -> SlotsState:
        """The state after an event; a disk that refuses must not end the watch over an engine."""
        try:
            return self._ledger.change(event)
        except (SlotRefused, ConfigError) as error:
            _log.error("state of the slots not written", error=str(error))
            return self._ledger.state()


@contextmanager
def _taking_turns() -> Iterator[None]:
    """Threads give way to each other sooner meanwhile."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
