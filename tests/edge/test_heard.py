"""When engines were heard, and which of them are silent."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.frame import NS_PER_S
from edge_agent.heard import FORGOTTEN_S, MOST_LISTED, SILENT_S, Heard


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> int:
        """The time."""
        return round(self.now_s * NS_PER_S)


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


@pytest.fixture
def frame_of(small_bundle: Any) -> Any:
    """Makes a frame of an engine."""
    return lambda engine: small_bundle.frames(0.1, engine=engine)[0]


def test_ages(clock: Clock, frame_of: Any) -> None:
    """Each engine has the age of its last frame, the quietest first."""
    heard = Heard((), clock)
    for at_s, engine in ((0.0, "1"), (1.0, "2"), (2.0, "1")):
        clock.now_s = at_s
        assert heard.observe(frame_of(engine), []) == []
    clock.now_s = 5.0
    assert list(heard.ages_s().items()) == [("OO-ABC/2", 4.0), ("OO-ABC/1", 3.0)]


def test_one_quiet_while_another_speaks(clock: Clock, frame_of: Any) -> None:
    """Where no engine is named, one that falls silent alone is missed, and all of them together are not."""
    heard = Heard((), clock)
    heard.observe(frame_of("1"), [])
    heard.observe(frame_of("2"), [])
    clock.now_s = SILENT_S + 1
    assert heard.silent() == []
    heard.observe(frame_of("2"), [])
    assert heard.silent() == ["OO-ABC/1"]
    clock.now_s = FORGOTTEN_S + 1
    heard.observe(frame_of("2"), [])
    assert heard.silent() == []
    assert list(heard.ages_s()) == ["OO-ABC/2"]


def test_named_engines_are_expected(clock: Clock, frame_of: Any) -> None:
    """An engine of ``agent.engines`` is missed from the start, for ever, and when all are silent."""
    heard = Heard(("OO-ABC/1", "OO-ABC/2"), clock)
    clock.now_s = SILENT_S + 1
    heard.observe(frame_of("1"), [])
    assert heard.silent() == ["OO-ABC/2"]
    clock.now_s = 3 * FORGOTTEN_S
    assert sorted(heard.silent()) == ["OO-ABC/1", "OO-ABC/2"]


def test_bounded(clock: Clock, frame_of: Any) -> None:
    """Invented engines do not fill the memory: the one heard longest ago goes."""
    heard = Heard((), clock)
    for number in range(MOST_LISTED + 10):
        clock.now_s += 0.01
        heard.observe(frame_of(str(number)), [])
    assert len(heard.ages_s()) == MOST_LISTED
    assert next(iter(heard.ages_s())) == "OO-ABC/10"


def test_other_engines_are_expected(clock: Clock, frame_of: Any) -> None:
    """After a reload other engines are missed, from then on; those heard before keep their age."""
    heard = Heard((), clock)
    heard.observe(frame_of("1"), [])
    clock.now_s = 10.0
    heard.expect(("OO-ABC/1", "OO-ABC/2"))
    assert heard.ages_s() == {"OO-ABC/1": 10.0, "OO-ABC/2": 0.0}
    clock.now_s = SILENT_S + 1
    assert heard.silent() == ["OO-ABC/1"]
