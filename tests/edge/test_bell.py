"""The bell: heard by poll(2), and answered."""

from __future__ import annotations

import select

from edge_agent.bell import Bell

WAIT_S = 30.0


def is_heard(bell: Bell) -> bool:
    """Whether who polls is woken."""
    poll = select.poll()
    poll.register(bell.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def test_rings_until_it_is_silenced() -> None:
    """Several rings count once."""
    bell = Bell()
    assert not is_heard(bell)
    bell.ring()
    bell.ring()
    assert is_heard(bell)
    bell.silence()
    assert not is_heard(bell)


def test_an_answer_counts_until_the_next_ring() -> None:
    """Nobody waits for ever where none comes."""
    bell = Bell()
    bell.ring()
    assert not bell.wait_for_answer(0.0)
    bell.answer()
    assert bell.wait_for_answer(WAIT_S)
    bell.ring()
    assert not bell.wait_for_answer(0.0)
