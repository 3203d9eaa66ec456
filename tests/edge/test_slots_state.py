"""What follows from each event of the slots, without a disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent.errors import BundleError
from edge_agent.slots_state import (
    BOOTS_USED_UP,
    EMPTY,
    GOOD,
    NO_SLOT,
    PROBATION,
    REJECTED_KEPT,
    ROLLED_BACK,
    TRIAL,
    Rejected,
    Slot,
    SlotsState,
    activate,
    begin_boot,
    end_cleanly,
    give_up,
    loaded,
    mark_good,
    roll_back,
)

OLD, NEW, NEWER = (Slot(f"{number:064x}", f"d/{number}.0.0", number) for number in (1, 2, 3))
BOOTS = 2
Event = Callable[[SlotsState], SlotsState]


def good(slot: Slot, state: SlotsState | None = None) -> SlotsState:
    """The state after ``slot`` went all the way."""
    state = begin_boot(activate(state or SlotsState(), slot, boots=BOOTS))
    return mark_good(loaded(state, slot.digest), slot.digest)


def test_all_the_way() -> None:
    """Trial, probation, good: the mark rises with the last step alone."""
    state = activate(good(OLD), NEW, boots=BOOTS)
    assert (state.stage, state.active, state.previous, state.boots_left, state.mark) == (TRIAL, NEW, OLD, BOOTS, 1)
    state = loaded(begin_boot(state), NEW.digest)
    assert (state.stage, state.boots_left, state.mark) == (PROBATION, BOOTS - 1, 1)
    state = mark_good(state, NEW.digest)
    assert (state.stage, state.boots_left, state.mark, state.previous) == (GOOD, 0, 2, OLD)
    assert begin_boot(state) == state


@pytest.mark.parametrize("stage", [TRIAL, PROBATION])
def test_crash_loop_returns(stage: str) -> None:
    """The boots used up, the previous bundle decides again, is not on trial, and the other never comes back."""
    state = activate(good(OLD), NEW, boots=BOOTS)
    for _ in range(BOOTS):
        state = begin_boot(state)
        assert state.active == NEW
        state = loaded(state, NEW.digest) if stage == PROBATION else state
    state = begin_boot(state)
    assert (state.stage, state.active, state.reason, state.mark) == (ROLLED_BACK, OLD, BOOTS_USED_UP, 1)
    assert state.rejected == (Rejected(NEW.digest, BOOTS_USED_UP),)
    assert begin_boot(state) == state
    with pytest.raises(BundleError) as caught:
        activate(state, NEW, boots=BOOTS)
    assert caught.value.reason == "rejected_digest"
    assert activate(state, NEWER, boots=BOOTS).previous == OLD


def test_clean_ends_cost_no_boots() -> None:
    """However often an aircraft is switched off in order, a probation goes on."""
    state = activate(good(OLD), NEW, boots=BOOTS)
    for _ in range(10 * BOOTS):
        state = end_cleanly(loaded(begin_boot(state), NEW.digest), NEW.digest)
    assert (state.stage, state.active, state.boots_left) == (PROBATION, NEW, BOOTS)


def test_first_bundle_has_nothing_to_return_to() -> None:
    """It is tried on and on, and never rejected."""
    state = activate(SlotsState(), OLD, boots=1)
    for _ in range(5):
        state = begin_boot(state)
    assert (state.stage, state.active, state.boots_left, state.rejected) == (TRIAL, OLD, 0, ())
    assert mark_good(loaded(state, OLD.digest), OLD.digest).stage == GOOD


def test_a_run_speaks_for_its_own_bundle() -> None:
    """What the running bundle has shown says nothing of one that was activated meanwhile."""
    state = activate(loaded(activate(SlotsState(), OLD, boots=BOOTS), OLD.digest), NEW, boots=BOOTS)
    for event in (loaded, mark_good, end_cleanly):
        assert event(state, OLD.digest) == state


def test_unproven_bundle_is_never_returned_to() -> None:
    """One on trial that another takes the place of is no previous one."""
    state = activate(activate(good(OLD), NEW, boots=BOOTS), NEWER, boots=BOOTS)
    assert (state.active, state.previous) == (NEWER, OLD)


def test_activating_the_active_one_changes_nothing() -> None:
    """Neither its stage nor its boots."""
    state = begin_boot(activate(SlotsState(), OLD, boots=BOOTS))
    assert activate(state, OLD, boots=BOOTS) == state


def test_rollback_by_hand_and_forth() -> None:
    """The mark does not keep a person from the previous bundle, nor from the proven one after it."""
    state = roll_back(good(NEW, good(OLD)))
    assert (state.stage, state.active, state.previous, state.mark, state.rejected) == (ROLLED_BACK, OLD, NEW, 2, ())
    state = activate(state, NEW, boots=BOOTS)
    assert (state.stage, state.active, state.previous) == (TRIAL, NEW, OLD)


REFUSED: list[tuple[str, Event, str]] = [
    ("older than proven", lambda state: activate(state, OLD, boots=BOOTS), "old_sequence"),
    (
        "another one of the same sequence",
        lambda state: activate(state, replace(NEWER, sequence=2), boots=BOOTS),
        "old_sequence",
    ),
    ("nothing to return to", lambda state: roll_back(replace(state, previous=NO_SLOT)), "no_previous"),
    ("an empty state", lambda _: roll_back(SlotsState()), "no_previous"),
]


@pytest.mark.parametrize(("event", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(event: Event, reason: str) -> None:
    """Each refusal has its reason."""
    with pytest.raises(BundleError, match=r"expected .*, got .*; ") as caught:
        event(good(NEW, good(OLD)))
    assert caught.value.reason == reason


def test_rejected_are_bounded() -> None:
    """A state file stays small, whatever is offered."""
    state = good(OLD)
    for number in range(2, REJECTED_KEPT + 10):
        slot = Slot(f"{number:064x}", "d/2.0.0", number)
        state = replace(give_up(activate(state, slot, boots=1), "x", reject=True), previous=NO_SLOT)
    assert len(state.rejected) == REJECTED_KEPT


def test_every_way_of_five_events_keeps_the_rules() -> None:
    """The mark never falls, what is proven is never lost, an automatic return never goes to what is unproven."""
    events: list[Event] = [
        lambda state: activate(state, OLD, boots=1),
        lambda state: activate(state, NEW, boots=1),
        begin_boot,
        lambda state: loaded(state, state.active.digest),
        lambda state: mark_good(state, state.active.digest),
        lambda state: end_cleanly(state, state.active.digest),
        roll_back,
    ]
    for path in itertools.product(events, repeat=5):
        state, proven = SlotsState(), {NO_SLOT}
        for event in path:
            try:
                after = event(state)
            except BundleError:
                continue
            proven |= {after.active} if after.stage == GOOD else set()
            assert after.mark >= state.mark
            assert after.previous in proven
            assert after.stage != ROLLED_BACK or after.active in proven
            state = after


DAMAGED = [
    {"stage": "flying"},
    {"stage": EMPTY},
    {"boots_left": -1},
    {"mark": -2},
    {"generation": "1"},
    {"extra": 1},
    {"schema": 2},
    {"active": {"digest": "a"}},
]


@pytest.mark.parametrize("change", DAMAGED)
def test_document_that_is_none(change: dict[str, object]) -> None:
    """A document that no state could have written is refused."""
    document = {**good(OLD).document(), "rejected": [], **change}
    with pytest.raises(Exception, match="expected"):
        SlotsState.from_document(document)
