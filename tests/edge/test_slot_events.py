"""What changes of the slots decide, by the table. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent.slot_events import events_of, missed
from edge_agent.slots_state import (
    GOOD,
    PROBATION,
    TRIAL,
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

A, B, C = (Slot(digit * 64, f"small/{n}.0.0", n) for n, digit in enumerate("abc", 1))
EMPTY = SlotsState()
PROVEN = SlotsState(generation=9, stage=GOOD, active=A, mark=1)
TRYING = SlotsState(generation=10, stage=TRIAL, active=B, previous=A, boots_left=2, mark=1)
WATCHED = replace(TRYING, stage=PROBATION)
BOTH = SlotsState(generation=12, stage=GOOD, active=B, previous=A, mark=2)

Event = Callable[[SlotsState], SlotsState]
TABLE: list[tuple[str, SlotsState, Event, list[tuple[str, str, str]]]] = [
    ("the first one", EMPTY, lambda s: activate(s, A, boots=3), [("activated", A.digest, "")]),
    ("the next one", PROVEN, lambda s: activate(s, B, boots=3), [("activated", B.digest, "")]),
    ("an epoch", PROVEN, lambda s: raise_epoch(s, 3), [("epoch_raised", "", "")]),
    ("an old epoch", raise_epoch(PROVEN, 3), lambda s: raise_epoch(s, 2), []),
    ("another trial", TRYING, lambda s: activate(s, C, boots=3), [("activated", C.digest, "")]),
    ("the same again", PROVEN, lambda s: activate(s, A, boots=3), []),
    ("a start is counted", TRYING, begin_boot, []),
    ("an end in order", WATCHED, lambda s: end_cleanly(s, B.digest), []),
    ("loaded", TRYING, lambda s: loaded(s, B.digest), [("probation_began", B.digest, "")]),
    ("proven", WATCHED, lambda s: mark_good(s, B.digest), [("marked_good", B.digest, "")]),
    ("starts used up", replace(TRYING, boots_left=0), begin_boot, [("rolled_back", B.digest, "boots_used_up")]),
    ("failed", TRYING, lambda s: give_up(s, "golden", reject=True), [("rolled_back", B.digest, "golden")]),
    ("by hand", BOTH, roll_back, [("rolled_back", B.digest, "by_hand")]),
    ("by hand and back again", roll_back(BOTH), roll_back, [("rolled_back", A.digest, "by_hand")]),
    ("by hand, then again", roll_back(BOTH), lambda s: activate(s, B, boots=3), [("activated", B.digest, "")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "event", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_events(name: str, before: SlotsState, event: Event, expected: list[tuple[str, str, str]]) -> None:
    """Kind, bundle and reason."""
    after = event(before)
    assert [(each.kind, each.digest, each.reason) for each in events_of(before, after)] == expected, name
    # What was not noted then is noted the same, later.
    now = replace(after, generation=before.generation + 1)
    late = missed(before, now)
    assert [(each.kind, each.digest, each.reason) for each in late] == expected
    assert all(each.detail.startswith("noted late: ") for each in late)


def test_what_is_said_for_people() -> None:
    """What is returned to, the mark, and whether it may come again."""
    assert (
        events_of(PROVEN, TRYING)[0].detail
        == f"epoch 0, sequence 2, 2 starts, returns to small/1.0.0 ({A.digest[:16]})"
    )
    assert (
        events_of(EMPTY, activate(EMPTY, A, boots=3))[0].detail == "epoch 0, sequence 1, 3 starts, nothing to return to"
    )
    assert events_of(WATCHED, mark_good(WATCHED, B.digest))[0].detail == "the mark was 1 of epoch 0 and is 2 of epoch 0"
    blamed, forgiven = (give_up(TRYING, "x", reject=reject) for reject in (True, False))
    assert events_of(TRYING, blamed)[0].detail.startswith("it is not taken again; small/1.0.0")
    assert events_of(TRYING, forgiven)[0].detail.startswith("it may be activated again; small/1.0.0")


def test_boots_go_unnoted() -> None:
    """However many there were."""
    assert missed(TRYING, replace(TRYING, generation=99, boots_left=0)) == []


def test_set_back() -> None:
    """An older state, or none: what it forgets is told."""
    [event] = missed(BOTH, PROVEN)
    assert event.kind == "state_set_back"
    assert "from generation 12, good, mark 2 of epoch 0 to 9, good, mark 1 of epoch 0" in event.detail
    assert [each.kind for each in missed(BOTH, EMPTY)] == ["state_set_back"]
