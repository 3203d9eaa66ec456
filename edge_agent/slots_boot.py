"""A start from the slots: the boot is counted on disk, the active bundle loaded, or the one before it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from edge_agent.errors import BundleError, ConfigError, GoldenMismatch, ModelRejected, SlotRefused
from edge_agent.load import prove_model
from edge_agent.prove_child import START_WALL_S
from edge_agent.slots import SlotStore, active_of
from edge_agent.slots_state import TRIAL, SlotsState, begin_boot, give_up, loaded, take_boot_back
from edge_agent.trust_event import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.detector import LoadedModel
    from edge_agent.slots_ledger import SlotLedger

_FAULTS_OF_THE_BUNDLE = (GoldenMismatch, ModelRejected)
"""Whatever else refuses a bundle may be the config's fault or the disk's, and does not keep it out for good."""

_log = structlog.get_logger(__name__)


def load_from_slots(ledger: SlotLedger, store: SlotStore, tell: Callable[[str], object]) -> LoadedModel:
    """Load and prove what the slots say; return to the previous bundle where the active one cannot be run.

    Args:
        ledger: Of the agent.
        store: Its slots.
        tell: Told before another proof begins: one may take the whole time that a start has.

    Raises:
        BundleError: The active bundle is refused, and so is the previous one, or there is none.
        ConfigError: The slots may not be read.
    """
    state, is_counted = _count(ledger)
    active = active_of(state)
    if not is_counted and state.can_return:
        # A trial that cannot be counted could go on for ever; so it is put off.
        return prove_model(store.open_for_start(state, state.previous.digest))
    try:
        # What is not proven meets a limited child first: what eats the machine must not eat the agent with it.
        is_new = state.stage == TRIAL
        if is_new:
            bundle = store.open_proven(active.digest, wall_s=START_WALL_S)
            tell("loading the active slot, proven in a child")
        else:
            bundle = store.open_for_start(state, active.digest)
        model = prove_model(bundle)
    except BundleError as error:
        if state.can_return:
            tell("loading the previous slot")
        return _load_previous(ledger, store, state, error)
    _note(ledger, lambda now: loaded(now, active.digest))
    return model


@contextmanager
def given_back(ledger: SlotLedger) -> Iterator[None]:
    """Meanwhile, a start that is asked to end, or ends because nothing can be run, costs the bundle no boot."""
    before = SlotsState()
    with suppress(SlotRefused, ConfigError):
        before = ledger.state()
    try:
        yield
    except (SystemExit, BundleError, ConfigError):
        if before.is_unproven:
            _note(ledger, lambda now: take_boot_back(now, before))
        raise


def _count(ledger: SlotLedger) -> tuple[SlotsState, bool]:
    """The state after this start was counted, and whether it could be."""
    before = ledger.state()
    try:
        after = ledger.change(begin_boot)
    except (SlotRefused, ConfigError) as error:
        _log.error("boot not counted", error=str(error))
        return before, not before.is_unproven
    if after.active != before.active:
        _log.error("returned to the previous bundle", reason=after.reason, bundle=after.active.bundle_id)
    return after, True


def _load_previous(ledger: SlotLedger, store: SlotStore, state: SlotsState, error: BundleError) -> LoadedModel:
    _log.error("active bundle refused", reason=error.reason, error=str(error))
    ledger.audit.note_refused_start(refused(error, state.active.digest, state.active.bundle_id))
    if not state.can_return:
        raise error
    try:
        model = prove_model(store.open_for_start(state, state.previous.digest))
    except BundleError as second:
        ledger.audit.note_refused_start(refused(second, state.previous.digest, state.previous.bundle_id))
        _log.error("previous bundle refused, too", reason=second.reason, error=str(second))
        raise error from second
    reject = state.is_unproven and isinstance(error, _FAULTS_OF_THE_BUNDLE)
    _note(ledger, lambda now: give_up(now, error.reason, reject=reject) if now.active == state.active else now)
    return model


def _note(ledger: SlotLedger, event: Callable[[SlotsState], SlotsState]) -> None:
    """Let something happen to the state; a disk that refuses must not end the watch over an engine."""
    try:
        ledger.change(event)
    except (SlotRefused, ConfigError) as error:
        _log.error("state of the slots not written", error=str(error))
