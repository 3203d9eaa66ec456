"""What takes longer than a page may is made beside the pages."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ground.console.data.beside import Beside
from ground.errors import DataError
from tests.conftest import wait_until


def found(beside: Beside[str, str], key: str, make: Callable[[], str]) -> str:
    """Ask until it is there."""
    got: list[str] = []

    def ask() -> bool:
        result = beside.of(key, make)
        got.extend([] if result is None else [result])
        return bool(got)

    wait_until(ask, key)
    return got[0]


class Gate:
    """Something that takes until ``go_on`` is set, and notes in which order things were made after it."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.order: list[str] = []

    def slow(self) -> str:
        """Wait for the gate."""
        self.begun.set()
        assert self.go_on.wait(30.0)
        return "slow"

    def making(self, name: str) -> Callable[[], str]:
        """What notes its name."""
        return lambda: self.order.append(name) or name


def test_nobody_waits_and_it_is_made_once() -> None:
    """However often somebody asks meanwhile."""
    beside: Beside[str, str] = Beside("results", most=4)
    gate = Gate()
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return gate.slow()

    assert beside.of("a", make) is None
    assert gate.begun.wait(30.0)
    assert [beside.of("a", make) for _ in range(5)] == [None] * 5
    gate.go_on.set()
    assert found(beside, "a", make) == "slow"
    beside.close()
    assert len(made) == 1


def test_what_pages_wait_for_comes_before_what_they_may_ask_for() -> None:
    """And what was asked for last before the rest, since somebody looks at it now."""
    beside: Beside[str, str] = Beside("results", most=8)
    gate = Gate()
    beside.of("slow", gate.slow)
    assert gate.begun.wait(30.0)
    for name in ("ahead 1", "ahead 2"):
        beside.ahead(name, gate.making(name))
    for name in ("asked 1", "asked 2", "asked 1"):
        assert beside.of(name, gate.making(name)) is None
    beside.ahead("asked 1", gate.making("twice"))
    gate.go_on.set()
    wait_until(lambda: len(gate.order) == 4, "all of them")
    assert gate.order == ["asked 1", "asked 2", "ahead 1", "ahead 2"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(DataError("w: expected a, got b"), "^w: expected a, got b$"), (OSError("disk"), r"results could not.*OSError")],
)
def test_failures_are_told_and_tried_again(error: Exception, said: str) -> None:
    """After a while, so that one page does not keep a core busy; and they end nothing else."""
    beside: Beside[str, str] = Beside("results", most=4, retry_s=0.0)
    tries: list[int] = []

    def fail() -> str:
        tries.append(1)
        raise error

    with pytest.raises(DataError, match=said):
        found(beside, "a", fail)
    wait_until(lambda: len(tries) > 1, "another try")
    assert found(beside, "b", lambda: "b") == "b"
    patient: Beside[str, str] = Beside("results", most=4)
    with pytest.raises(DataError):
        found(patient, "a", fail)
    tries.clear()
    with pytest.raises(DataError):
        patient.of("a", fail)
    patient.ahead("a", fail)
    assert found(patient, "b", lambda: "b") == "b"
    assert tries == []


def test_it_recovers() -> None:
    """Once the cause is gone, nothing is told of it."""
    beside: Beside[str, str] = Beside("results", most=4, retry_s=0.0)
    with pytest.raises(DataError):
        found(beside, "a", lambda: str(1 // 0))
    answers: list[str | None] = []

    def ask() -> bool:
        try:
            answers.append(beside.of("a", lambda: "well"))
        except DataError:
            return False
        return answers[-1] == "well"

    wait_until(ask, "the result")


def test_it_keeps_and_queues_no_more_than_it_may() -> None:
    """Names of phases come from the wire: there may be any number of them."""
    beside: Beside[str, str] = Beside("results", most=2)
    for name in ("a", "b", "a", "c"):
        assert found(beside, name, lambda name=name: name) == name
    assert list(beside._made) == ["a", "c"]
    gate = Gate()
    beside.of("slow", gate.slow)
    assert gate.begun.wait(30.0)
    for number in range(5):
        beside.of(f"asked {number}", gate.making(str(number)))
        beside.ahead(f"ahead {number}", gate.making(f"ahead {number}"))
    gate.go_on.set()
    beside._thread.join(30.0)
    assert gate.order == ["4", "3"]
    for number in range(5):
        with pytest.raises(DataError):
            found(beside, f"x{number}", lambda: str(1 // 0))
    assert len(beside._faults) == 2


def test_closing_waits_for_what_is_under_way_alone() -> None:
    """The rest is not made."""
    beside: Beside[str, str] = Beside("results", most=4)
    gate = Gate()
    beside.of("slow", gate.slow)
    assert gate.begun.wait(30.0)
    beside.of("b", gate.making("b"))
    closing = threading.Thread(target=beside.close)
    closing.start()
    wait_until(beside._closing.is_set, "the close")
    gate.go_on.set()
    closing.join(30.0)
    assert not closing.is_alive()
    assert beside.of("c", gate.making("c")) is None
    assert gate.order == []
