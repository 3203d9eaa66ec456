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
    raise_epoch,
    roll_back,
)
from edge_agent.strict_json import LARGEST_EXACT_INTEGER

OLD, NEW, NEWER = (Slot(f"{number:064x}", f"d/{number}.0.0", number) for number in (1, 2, 3))
LATER = Slot(f"{4:064x}", "d/4.0.0", 0, 1)
"""Of the next epoch, where sequences count anew."""
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


def test_starts_that_are_left_have_an_end() -> None:
    """A whole state file may hold the largest count there is: an end in order does not ask for more."""
    state = SlotsState(stage=TRIAL, active=NEW, boots_left=LARGEST_EXACT_INTEGER)
    assert end_cleanly(state, NEW.digest) == state


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
        lambda state: raise_epoch(state, 1),
        lambda state: activate(state, LATER, boots=1),
    ]
    for path in itertools.product(events, repeat=4):
        state, proven = SlotsState(), {NO_SLOT}
        for event in path:
            try:
                after = event(state)
            except BundleError:
                continue
            proven |= {after.active} if after.stage == GOOD else set()
            assert after.mark_rank >= state.mark_rank
            assert after.epoch >= max(state.epoch, after.active.epoch)
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
    {"schema": 3},
    {"schema": True},
    {"schema": 2.0},
    {"epoch": -1},
    {"mark_epoch": "0"},
    {"active": {"digest": "a"}},
]


@pytest.mark.parametrize("change", DAMAGED)
def test_document_that_is_none(change: dict[str, object]) -> None:
    """A document that no state could have written is refused."""
    document = {**good(OLD).document(), "rejected": [], **change}
    with pytest.raises(Exception, match="expected"):
        SlotsState.from_document(document)


def test_a_sequence_driven_to_its_end_is_left_by_an_epoch() -> None:
    """44: a thief can shut out all releases to come within an epoch; the root opens the next, and they count anew."""
    stuck = good(Slot("f" * 64, "d/9.9.9", LARGEST_EXACT_INTEGER))
    assert stuck.mark_rank == (0, LARGEST_EXACT_INTEGER)
    refused(stuck, NEWER, "old_sequence")
    refused(stuck, LATER, "epoch_ahead")
    opened = raise_epoch(stuck, 1)
    refused(opened, NEWER, "old_sequence")
    assert good(LATER, opened).mark_rank == (1, 0)
    refused(good(LATER, opened), Slot("e" * 64, "d/9.9.8", LARGEST_EXACT_INTEGER), "old_sequence")


def refused(state: SlotsState, slot: Slot, reason: str) -> None:
    """The bundle is not taken, for that reason, and the text says what to do."""
    with pytest.raises(BundleError, match=r"expected .*; ") as caught:
        activate(state, slot, boots=BOOTS)
    assert caught.value.reason == reason


def test_an_epoch_is_never_lowered() -> None:
    """Whatever an older root says; one beyond what JSON can hold is refused, so that the state stays readable."""
    state = raise_epoch(SlotsState(), 5)
    assert raise_epoch(state, 4) == raise_epoch(state, 0) == raise_epoch(state, -1) == state
    assert raise_epoch(state, LARGEST_EXACT_INTEGER).epoch == LARGEST_EXACT_INTEGER
    with pytest.raises(BundleError) as caught:
        raise_epoch(state, 2**63)
    assert caught.value.reason == "epoch_range"


def test_state_from_before_the_epochs() -> None:
    """An upgrade of the agent keeps what runs, what ran before, the mark and what was rejected."""
    state = activate(good(NEW, good(OLD)), NEWER, boots=BOOTS)
    document = {**state.document(), "schema": 1, "rejected": [{"digest": "a", "reason": "golden_scores"}]}
    for name in ("epoch", "mark_epoch"):
        del document[name]
    for name in ("active", "previous"):
        document[name] = {key: value for key, value in document[name].items() if key != "epoch"}
    read = SlotsState.from_document(document)
    assert read == replace(state, rejected=(Rejected("a", "golden_scores"),))
    assert read.document()["schema"] == 2
