"""What takes long is made once, and waits for nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ground.console.data.kept import Kept


def test_it_is_made_once_however_many_ask() -> None:
    """At the same time, too."""
    kept: Kept[str, object] = Kept(2)
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: kept.of("a", make), range(32)))
    assert len(made) == 1
    assert set(map(id, found)) == {id(made[0])}


def test_something_else_does_not_wait() -> None:
    """A page that is quick stays so while another one computes."""
    kept: Kept[str, str] = Kept(2)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(30.0)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(kept.of, "a", slow)
        assert begun.wait(30.0)
        assert kept.of("b", lambda: "quick") == "quick"
        go_on.set()
        assert waiting.result() == "slow"


def test_what_failed_is_tried_again_and_drives_nothing_out() -> None:
    """What was asked for last stays; the others go."""
    kept: Kept[str, str] = Kept(1)
    kept.of("a", lambda: "first")
    with pytest.raises(ZeroDivisionError):
        kept.of("b", lambda: str(1 // 0))
    assert kept.of("a", lambda: "second") == "first"
    assert kept.of("b", lambda: "made now") == "made now"
    assert kept.of("a", lambda: "third") == "third"
