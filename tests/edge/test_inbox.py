"""The inbox: bounded in frames and bytes, drops the oldest, counts, wakes at once."""

from __future__ import annotations

import threading
from queue import Empty

import pytest

from edge_agent.inbox import Arrival, Inbox


def arrival(number: int, n_byte: int = 1) -> Arrival:
    """An arrival that can be told from others."""
    return Arrival(str(number), bytes(n_byte), number)


def topics_in(inbox: Inbox) -> list[str]:
    """Everything in the inbox, in order."""
    return [inbox.take(0.0).topic for _ in range(len(inbox))]


def test_first_in_first_out() -> None:
    """Arrivals leave in the order in which they came."""
    inbox = Inbox(max_frames=10, max_bytes=100)
    for number in range(3):
        inbox.put(arrival(number))
    assert topics_in(inbox) == ["0", "1", "2"]
    assert inbox.dropped == 0


def test_full_of_frames() -> None:
    """Beyond the limit of frames the oldest go."""
    inbox = Inbox(max_frames=3, max_bytes=100)
    for number in range(5):
        inbox.put(arrival(number))
    assert topics_in(inbox) == ["2", "3", "4"]
    assert inbox.dropped == 2


def test_full_of_bytes() -> None:
    """Beyond the limit of bytes as many of the oldest go as need to."""
    inbox = Inbox(max_frames=10, max_bytes=10)
    for number, n_byte in enumerate((4, 4, 9)):
        inbox.put(arrival(number, n_byte))
    assert topics_in(inbox) == ["2"]
    assert inbox.dropped == 2


def test_bytes_are_given_back() -> None:
    """What was taken counts no longer."""
    inbox = Inbox(max_frames=10, max_bytes=10)
    for number in range(5):
        inbox.put(arrival(number, 10))
        inbox.take(0.0)
    assert inbox.dropped == 0


def test_one_frame_larger_than_the_limit() -> None:
    """The newest frame is kept even where it alone is over the limit."""
    inbox = Inbox(max_frames=10, max_bytes=10)
    inbox.put(arrival(0, 5))
    inbox.put(arrival(1, 50))
    assert topics_in(inbox) == ["1"]


def test_empty() -> None:
    """Nothing to take is said, not returned."""
    with pytest.raises(Empty):
        Inbox(max_frames=1, max_bytes=1).take(0.0)


def test_put_wakes_the_taker() -> None:
    """A taker that waits without end gets what is put."""
    inbox = Inbox(max_frames=1, max_bytes=1)
    taken: list[Arrival] = []
    taker = threading.Thread(target=lambda: taken.append(inbox.take(float("1e6"))))
    taker.start()
    inbox.put(arrival(7))
    taker.join()
    assert taken == [arrival(7)]


def test_close_wakes_the_taker_and_drops() -> None:
    """A closed inbox gives nothing, takes nothing, and says so at once."""
    inbox = Inbox(max_frames=5, max_bytes=5)
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
    assert (len(inbox), inbox.dropped) == (0, 1)
