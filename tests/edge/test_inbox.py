"""The inbox: bounded in frames and bytes, silences one source to make room, counts, wakes at once."""

from __future__ import annotations

import threading
from queue import Empty

import pytest

from benchmarks.overload_policies import Load, OldestFirst, agent_inbox, simulate
from edge_agent.inbox import CLOSED, FULL_BYTES, FULL_FRAMES, OTHER_SOURCES, SILENCED, Arrival, Inbox

SILENCE_NS = 100


def arrival(number: int, n_byte: int = 1, *, source: str = "a") -> Arrival:
    """An arrival that can be told from others; it came at ``number`` ns."""
    return Arrival(source, bytes(n_byte), number)


def inbox_of(max_frames: int, max_bytes: int) -> Inbox:
    """An inbox."""
    return Inbox(max_frames=max_frames, max_bytes=max_bytes, silence_ns=SILENCE_NS)


def roomy(inbox: Inbox) -> Inbox:
    """The same inbox, empty, with room for ten."""
    while len(inbox):
        inbox.take(0.0)
    inbox.bound(max_frames=10, max_bytes=1_000)
    return inbox


def numbers_in(inbox: Inbox) -> list[int]:
    """Everything in the inbox, in order."""
    return [inbox.take(0.0).received_ns for _ in range(len(inbox))]


def test_first_in_first_out() -> None:
    """Arrivals leave in the order in which they came."""
    inbox = inbox_of(10, 100)
    for number in range(3):
        inbox.put(arrival(number))
    assert numbers_in(inbox) == [0, 1, 2]
    assert inbox.dropped == 0


def test_full_of_frames_of_one_source() -> None:
    """A source that is alone goes up to its newest arrival, in one gap, and is heard at once."""
    inbox = inbox_of(3, 100)
    for number in range(5):
        inbox.put(arrival(number))
    assert numbers_in(inbox) == [3, 4]
    assert inbox.dropped_by_reason == {FULL_FRAMES: 3}


def test_full_of_bytes_of_one_source() -> None:
    """So with bytes."""
    inbox = inbox_of(10, 10)
    for number, n_byte in enumerate((4, 4, 9)):
        inbox.put(arrival(number, n_byte))
    assert numbers_in(inbox) == [2]
    assert inbox.dropped_by_reason == {FULL_BYTES: 2}


def test_bytes_are_given_back() -> None:
    """What was taken counts no longer."""
    inbox = inbox_of(10, 10)
    for number in range(5):
        inbox.put(arrival(number, 10))
        inbox.take(0.0)
    assert inbox.dropped == 0


def test_one_frame_larger_than_the_limit() -> None:
    """A single frame is kept even where it alone is over the limit."""
    inbox = inbox_of(10, 10)
    inbox.put(arrival(0, 5))
    inbox.put(arrival(1, 50))
    assert numbers_in(inbox) == [1]


def test_busiest_source_is_silenced() -> None:
    """One source floods: it goes, stays away for the time of silence, and then is heard again; others lose nothing."""
    inbox = inbox_of(8, 100)
    inbox.put(arrival(0, source="calm"))
    for number in range(1, 9):
        inbox.put(arrival(number, source="flood"))
    inbox.put(arrival(9, source="calm"))
    inbox.put(arrival(8 + SILENCE_NS - 1, source="flood"))
    inbox.put(arrival(8 + SILENCE_NS, source="flood"))
    assert numbers_in(inbox) == [0, 9, 8 + SILENCE_NS]
    assert inbox.dropped_by_reason == {FULL_FRAMES: 8, SILENCED: 1}
    assert inbox.dropped_by_source == {"flood": 9}


def test_heaviest_source_is_silenced() -> None:
    """Where bytes are short, what a source weighs counts, not how often it sends."""
    inbox = inbox_of(100, 100)
    for number in range(10):
        inbox.put(arrival(number, 2, source="light"))
    inbox.put(arrival(10, 81, source="heavy"))
    assert numbers_in(inbox) == list(range(10))
    assert inbox.dropped_by_source == {"heavy": 1}


def test_equal_sources_take_turns() -> None:
    """Of sources that send alike, the one of which least was dropped makes room."""
    inbox = inbox_of(8, 1_000)
    for first in range(0, 36, 9):
        for number in range(first, first + 9):
            inbox.put(arrival(number * SILENCE_NS, source="abcd"[number % 4]))
        numbers_in(inbox)
    dropped = inbox.dropped_by_source
    assert set(dropped) == set("abcd")
    assert max(dropped.values()) - min(dropped.values()) <= 3


def test_invented_sources_fill_no_memory() -> None:
    """256 sources are remembered; what is dropped of further ones is counted together."""
    inbox = inbox_of(1, 100)
    for number in range(3_000):
        inbox.put(arrival(number, source=str(number)))
    dropped = inbox.dropped_by_source
    assert len(dropped) <= 257
    assert dropped[OTHER_SOURCES] > 1_000
    assert inbox.dropped == sum(dropped.values()) == 3_000 - len(inbox)


def test_room_among_as_many_sources_as_frames() -> None:
    """A sender that names another topic in every frame: an eighth goes, in one look at what waits."""
    inbox = inbox_of(16_384, 10**6)
    for number in range(16_385):
        inbox.put(arrival(number, source=str(number)))
    assert len(inbox) == 16_384 * 7 // 8
    assert numbers_in(inbox)[-1] == 16_384


def test_the_last_source_keeps_its_newest() -> None:
    """Where the last source is still too much by itself, one arrival of it stays."""
    inbox = inbox_of(100, 10)
    for number in range(2):
        inbox.put(arrival(number, 4, source="a"))
    inbox.put(arrival(2, 17, source="b"))
    assert numbers_in(inbox) == [0, 1]
    inbox.put(arrival(3 + SILENCE_NS, 9, source="a"))
    inbox.put(arrival(4 + SILENCE_NS, 9, source="a"))
    assert numbers_in(inbox) == [4 + SILENCE_NS]


def test_a_source_beyond_those_remembered_is_not_silenced_for_it() -> None:
    """Invented sources fill the list of names: one that came after them is not always the one that goes."""
    inbox = inbox_of(1, 1_000)
    for number in range(300):
        for _ in range(3):
            inbox.put(arrival(1_000 * number, source=f"invented {number}"))
    inbox = roomy(inbox)
    before = dict(inbox.dropped_by_source)
    for number in range(8):
        inbox.put(arrival(10**6 + number, source="engine"))
        inbox.put(arrival(10**6 + number, source="invented 0"))
    after = inbox.dropped_by_source
    assert after["invented 0"] > before["invented 0"]
    assert after[OTHER_SOURCES] == before[OTHER_SOURCES]
    inbox.close()


def test_whole_windows_survive_overload() -> None:
    """64 engines send a tenth too much: most windows of each are whole. Dropping the oldest frame leaves none whole.

    The bounds are of the simulation that chose the policy (docs/adr/0019-overload.md), which finds more.
    """
    load = Load(engines=64, ratio=1.1, duration_s=120)
    ours, oldest = simulate(load, agent_inbox(silence_s=30.0)), simulate(load, OldestFirst())
    assert ours.answered > 0.75
    assert oldest.answered < 0.05


def test_empty() -> None:
    """Nothing to take is said, not returned."""
    with pytest.raises(Empty):
        inbox_of(1, 1).take(0.0)


def test_put_wakes_the_taker() -> None:
    """A taker that waits without end gets what is put."""
    inbox = inbox_of(1, 1)
    taken: list[Arrival] = []
    taker = threading.Thread(target=lambda: taken.append(inbox.take(float("1e6"))))
    taker.start()
    inbox.put(arrival(7))
    taker.join()
    assert taken == [arrival(7)]


def test_close_wakes_the_taker_and_drops() -> None:
    """A closed inbox gives nothing, takes nothing, and says so at once."""
    inbox = inbox_of(5, 5)
    ended: list[bool] = []

    def take() -> None:
        with pytest.raises(Empty):
            inbox.take(float("1e6"))
        ended.append(True)

    taker = threading.Thread(target=take)
    taker.start()
    inbox.close()
    taker.join()
    inbox.put(arrival(1))
    assert ended == [True]
    assert (len(inbox), inbox.dropped_by_reason) == (0, {CLOSED: 1})


def test_fullness() -> None:
    """By frames or by bytes, whichever is nearer to its limit."""
    inbox = inbox_of(4, 100)
    inbox.put(arrival(0, 10))
    assert inbox.fullness == 0.25
    inbox.put(arrival(1, 70))
    assert inbox.fullness == 0.8
