"""The chain of decisions: which of them count, what follows from them, and what is noticed."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ground.errors import PromotionError, RegistryError
from ground.fleet.registry.decision import NO_EVIDENCE, NOBODY, Basis, Decision, Subject
from ground.fleet.registry.history import Entry, History, history_of
from ground.fleet.registry.states import NEXT, State


def subject(version: str = "1.0.0", fleet: str = "f", **changed) -> Subject:
    """A version of detector ``d``."""
    facts = {"sequence": 1, "epoch": 0, "release_class": "release", "spec_digest": "s", "digest": version, **changed}
    return Subject(**{"detector": "d", "version": version, "fleet": fleet, **facts})


def decided(history: History, about: Subject, state: State, replaces: str = NOBODY, **changed) -> Decision:
    """A decision that follows the last one."""
    return Decision(
        **{
            "subject": about, "state": state, "replaces": replaces, "basis": Basis.JUDGEMENT, "evidence": NO_EVIDENCE,
            "by": "a", "reason": "r", "at": "2026-11-28T00:00:00Z", "follows": history.head, **changed,
        }
    )  # fmt: skip


def chain(*steps: tuple) -> History:
    """A history of steps, each a subject, a state and whose place it takes."""
    history = History("d")
    for step in steps:
        history = history.with_decision(decided(history, *step))
    return history


def entries(*decisions: Decision) -> list[Entry]:
    """As the registry has them."""
    return [Entry(number, each.to_json()) for number, each in enumerate(decisions, start=1)]


ONE, TWO = subject("1.0.0"), subject("2.0.0")
WAY = (State.DEVELOPMENT, State.VALIDATION, State.SHADOW, State.ACTIVE)


def states(history: History) -> dict[str, str]:
    """State by version."""
    return {name: each.state.value for name, each in history.versions.items()}


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_what_may_follow_what(old, new):
    """Each pair of states, and the error says what is allowed."""
    ways = {
        State.DEVELOPMENT: WAY[:1], State.VALIDATION: WAY[:2], State.SHADOW: WAY[:3], State.ACTIVE: WAY,
        State.RETIRED: (State.DEVELOPMENT, State.RETIRED),
    }  # fmt: skip
    history = chain(*((ONE, state) for state in ways[old]))
    if new in NEXT[old]:
        assert history.with_decision(decided(history, ONE, new)).versions["1.0.0"].state is new
        return
    with pytest.raises(PromotionError, match=f"what follows {old.value}"):
        history.with_decision(decided(history, ONE, new))


def test_a_place_is_taken_by_one():
    """Whoever takes it names the one that had it, which is retired by that; other fleets have places of their own."""
    history = chain(*((ONE, state) for state in WAY), *((TWO, state) for state in WAY[:3]))
    with pytest.raises(PromotionError, match=r"the place of 1\.0\.0, got none"):
        history.with_decision(decided(history, TWO, State.ACTIVE))
    with pytest.raises(PromotionError, match=r"the place of 1\.0\.0, got 2\.0\.0"):
        history.with_decision(decided(history, TWO, State.ACTIVE, "2.0.0"))
    assert states(history.with_decision(decided(history, TWO, State.ACTIVE, "1.0.0"))) == {
        "1.0.0": "retired", "2.0.0": "active",
    }  # fmt: skip
    elsewhere = subject("3.0.0", "g")
    history = chain(*((ONE, state) for state in WAY), *((elsewhere, state) for state in WAY))
    assert (history.holder(State.ACTIVE, "f"), history.holder(State.ACTIVE, "g")) == ("1.0.0", "3.0.0")


@pytest.mark.parametrize(
    ("about", "state", "message"),
    [
        (TWO, State.VALIDATION, "expected a registered version"),
        (subject("1.0.0", digest="other"), State.VALIDATION, "a version is for ever one bundle"),
        (subject("1.0.0", "g"), State.VALIDATION, "a version is for ever one bundle"),
        (subject("1.0.0", detector="e"), State.VALIDATION, "another detector's"),
        (ONE, State.DEVELOPMENT, "what follows development"),
    ],
)
def test_what_does_not_fit_is_refused(about, state, message):
    """Before it is written."""
    history = chain((ONE, State.DEVELOPMENT))
    with pytest.raises(PromotionError, match=message):
        history.with_decision(decided(history, about, state))


def test_who_came_second_counts_for_nothing():
    """Two that follow the same decision: the first one counts, and the chain goes on from it."""
    begin = chain((ONE, State.DEVELOPMENT))
    first, second = decided(begin, ONE, State.VALIDATION), decided(begin, ONE, State.RETIRED)
    third = decided(begin.with_decision(first), ONE, State.RETIRED)
    history = history_of("d", entries(*begin.decisions, first, second, first, third))
    assert history.decisions == (*begin.decisions, first, third)
    assert history.overtaken == 2


def test_what_was_read_is_what_was_written():
    """In whatever order entries come."""
    history = chain(
        *((ONE, state) for state in WAY), *((TWO, state) for state in WAY[:3]), (TWO, State.ACTIVE, "1.0.0")
    )
    assert history_of("d", reversed(entries(*history.decisions))) == history
    assert history.last_active("f") == "2.0.0"


def removed(found: list[Entry]) -> list[Entry]:
    """Without the second."""
    return [found[0], *found[2:]]


def renumbered(found: list[Entry]) -> list[Entry]:
    """The same, and the gap closed."""
    return [dataclasses.replace(each, number=number) for number, each in enumerate(removed(found), start=1)]


def changed(found: list[Entry], **fields) -> list[Entry]:
    """The second says something else."""
    text = json.dumps(json.loads(found[1].text) | fields, sort_keys=True, separators=(",", ":")).encode()
    return [found[0], Entry(2, text), *found[2:]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (removed, "decision 2 of d: expected it, got none"),
        (renumbered, "follows an unknown one"),
        (lambda found: changed(found, by="somebody else"), "decision 3 of d: .* follows an unknown one"),
        (lambda found: changed(found, state="flying"), "decision 2 of d: expected a decision"),
        (lambda found: changed(found, schema=2), "expected a decision of schema 1"),
        (lambda found: changed(found, more=1), "decision 2 of d: .*more"),
        (lambda found: changed(found, state="active"), "expected one that is allowed"),
        (lambda found: [found[0], Entry(2, b""), *found[2:]], "decision 2 of d: expected a decision"),
        (lambda found: [found[0], Entry(2, b"\xff"), *found[2:]], "decision 2 of d"),
    ],
)
def test_damage_is_noticed(damage, message):
    """An entry that is gone, or another than was written, with its place."""
    found = entries(*chain(*((ONE, state) for state in WAY)).decisions)
    with pytest.raises(RegistryError, match=message):
        history_of("d", damage(found))
