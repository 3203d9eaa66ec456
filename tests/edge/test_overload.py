"""The ladder of overload: up at once and in order, down slowly."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.overload import BUSY, CALM_S, IN_A_ROW, NORMAL, SHEDDING, Ladder, Rung

DEADLINE_MS = 50.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


@pytest.fixture
def ladder(clock: Clock) -> Ladder:
    """A ladder on the ground."""
    return Ladder(DEADLINE_MS, now_s=clock)


CALM: dict[str, Any] = {"waited_ms": 0.0, "fullness": 0.0, "dropped": 0}
RUNGS: list[tuple[str, dict[str, Any], Rung]] = [
    ("calm", {}, Rung.NOTHING),
    ("a burst that is worked off in time", {"waited_ms": 24.0, "fullness": 0.49}, Rung.NOTHING),
    ("half a deadline waited", {"waited_ms": 25.0}, Rung.SHADOW),
    ("half full", {"fullness": 0.5}, Rung.SHADOW),
    ("a deadline waited", {"waited_ms": 50.0}, Rung.DRIFT),
    ("three quarters full", {"fullness": 0.75}, Rung.DRIFT),
    ("late by far, and nothing dropped", {"waited_ms": 5_000.0, "fullness": 1.0}, Rung.DRIFT),
    ("a frame dropped", {"dropped": 1}, Rung.FRAMES),
]


@pytest.mark.parametrize(("load", "rung"), [row[1:] for row in RUNGS], ids=[row[0] for row in RUNGS])
def test_rung_of_a_load(ladder: Ladder, load: dict[str, Any], rung: Rung) -> None:
    """Each load asks for one rung, and everything up to it is shed."""
    for _ in range(IN_A_ROW):
        ladder.observe(**CALM | load)
    assert [each for each in Rung if each and ladder.sheds(each)] == [each for each in Rung if 0 < each <= rung]
    assert ladder.shed == ["shadow", "drift", "frames"][:rung]
    assert ladder.state == {Rung.NOTHING: NORMAL, Rung.FRAMES: SHEDDING}.get(rung, BUSY)


def test_a_pause_is_no_overload(ladder: Ladder) -> None:
    """Some frames that waited long, and then one that did not, ask for nothing; nor does one after an idle turn."""
    for waited_ms in [60.0] * (IN_A_ROW - 1) + [0.0] + [60.0] * (IN_A_ROW - 1):
        ladder.observe(**CALM | {"waited_ms": waited_ms})
        assert ladder.shed == []
    ladder.observe(**CALM | {"waited_ms": 30.0})
    assert ladder.shed == ["shadow"]


def test_no_rung_is_left_out(ladder: Ladder, log_lines: list[Any]) -> None:
    """However sudden it comes, each rung is taken, and told, in its turn."""
    ladder.observe(**CALM | {"dropped": 7})
    assert [(line["log_level"], line["load"], line["shed"]) for line in log_lines] == [
        ("warning", BUSY, ["shadow"]),
        ("warning", BUSY, ["shadow", "drift"]),
        ("warning", SHEDDING, ["shadow", "drift", "frames"]),
    ]


def test_down_after_a_calm_one_rung_at_a_time(ladder: Ladder, clock: Clock) -> None:
    """What is shed comes back in the reverse order, each only after a whole calm."""
    ladder.observe(**CALM | {"dropped": 1})
    calm = CALM | {"dropped": 1}
    for still, then in ((3, 2), (2, 1), (1, 0)):
        clock.now_s += CALM_S - 0.1
        ladder.observe(**calm)
        assert len(ladder.shed) == still
        clock.now_s += 0.1
        ladder.observe(**calm)
        assert len(ladder.shed) == then


def test_no_flutter(ladder: Ladder, clock: Clock) -> None:
    """A load that asks for its rung again within the calm keeps it, however calm it is between."""
    for _ in range(100):
        ladder.observe(**CALM | {"fullness": 0.5})
        clock.now_s += 0.9 * CALM_S
        ladder.observe(**CALM)
        assert ladder.shed == ["shadow"]
