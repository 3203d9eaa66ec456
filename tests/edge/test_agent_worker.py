"""The worker: survives any message, finishes what it has in hand, and feeds the watchdog by its turns alone."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

import pytest

from edge_agent.inbox import Arrival, Inbox
from edge_agent.publication import Publication
from edge_agent.sdnotify import Heartbeat, Notifier
from edge_agent.worker import Worker

WAIT_S = 30.0


class Scripted:
    """A pipeline, a link and a heartbeat in one: does what the payload says, and notes what the worker does."""

    interval_s = float("inf")

    def __init__(self) -> None:
        self.published: SimpleQueue[Publication] = SimpleQueue()
        self.ended = threading.Event()
        self.n_published = 0
        self.handed_over: list[int] = []
        self.faults = 0
        self.beats = 0
        self.behind = 0
        self.frame_bytes = 1
        self.loads: list[tuple[float, float, int]] = []
        self.begun = threading.Event()
        self.may_finish = threading.Event()

    def handle(self, arrival: Arrival) -> list[Publication]:
        """Fail, wait, or answer."""
        if arrival.payload == b"fail":
            raise ZeroDivisionError
        if arrival.payload == b"wait":
            self.begun.set()
            assert self.may_finish.wait(WAIT_S)
        self.behind += 1
        return [Publication(topic=arrival.topic, payload=arrival.payload)]

    @property
    def bytes_behind(self) -> int:
        """Bytes of what observers have not seen."""
        return self.behind * self.frame_bytes

    def follow_next(self) -> list[Publication]:
        """What is said of the oldest message that observers have not seen."""
        self.behind -= 1
        return [Publication(topic="after", payload=b"")]

    def follow_up(self) -> list[Publication]:
        """What is said of all of them."""
        return [each for _ in range(self.behind) for each in self.follow_next()]

    def observe(self, *, waited_ms: float, fullness: float, dropped: int) -> None:
        """Note what the load is said to be."""
        self.loads.append((waited_ms, fullness, dropped))

    def publish(self, *publications: Publication) -> None:
        """Note what is published."""
        self.n_published += len(publications)
        for publication in publications:
            self.published.put(publication)

    def hand_over(self, timeout_s: float) -> None:
        """Note what of the published has been handed over."""
        assert timeout_s > 0.0
        self.handed_over.append(self.n_published)

    def beat(self) -> None:
        """Note a turn."""
        self.beats += 1

    def fault(self) -> None:
        """Note a fault."""
        self.faults += 1


def make_worker(scripted: Any, inbox: Inbox) -> Worker:
    """A worker around the script."""
    return Worker(
        inbox, scripted, scripted, scripted, ladder=scripted, on_fault=scripted.fault, on_end=scripted.ended.set
    )


@pytest.fixture
def inbox() -> Inbox:
    """A roomy inbox."""
    return Inbox(max_frames=100, max_bytes=1_000, silence_ns=0)


def test_a_message_never_ends_the_worker(inbox: Inbox, log_lines: list[Any]) -> None:
    """After a message that made the pipeline fail, the next one is handled; each fault is counted, and logged once."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    for _ in range(3):
        inbox.put(Arrival("a", b"fail", 0))
    inbox.put(Arrival("b", b"fine", 0))
    worker.start()
    assert scripted.published.get(timeout=WAIT_S).topic == "b"
    assert scripted.published.get(timeout=WAIT_S).topic == "after"
    assert worker.stop(WAIT_S)
    assert scripted.faults == 3
    assert [(line["event"], line["topic"]) for line in log_lines] == [("message failed", "a")]


def test_results_leave_before_the_next_frame(inbox: Inbox) -> None:
    """Also where a frame waits already; what the observers say is in no such haste."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    for topic in ("a", "b"):
        inbox.put(Arrival(topic, b"fine", 0))
    worker.start()
    assert [scripted.published.get(timeout=WAIT_S).topic for _ in range(4)] == ["a", "b", "after", "after"]
    assert worker.stop(WAIT_S)
    assert scripted.handed_over == [1, 2]


def test_stop_finishes_the_frame_in_hand(inbox: Inbox) -> None:
    """The frame in hand is finished and published; what still waits is dropped."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    inbox.put(Arrival("a", b"wait", 0))
    worker.start()
    assert scripted.begun.wait(WAIT_S)
    inbox.put(Arrival("b", b"fine", 0))
    assert not worker.stop(timeout_s=0.0)
    scripted.may_finish.set()
    assert scripted.ended.wait(WAIT_S)
    assert [scripted.published.get(timeout=WAIT_S).topic for _ in range(2)] == ["a", "after"]
    assert scripted.published.empty()
    assert inbox.dropped == 1


def test_what_is_asked_for_comes_before_the_next_arrival(inbox: Inbox) -> None:
    """Also where the worker was waiting for that arrival when it was asked: a reload counts for the next frame."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    worker.wait_s = worker._patience_s = WAIT_S
    done: list[str] = []
    handle = scripted.handle
    scripted.handle = lambda arrival: done.append("arrival") or handle(arrival)  # type: ignore[method-assign,func-returns-value]
    worker.start()
    time.sleep(0.05)
    worker.between_turns(lambda: done.append("asked"))
    inbox.put(Arrival("a", b"fine", time.monotonic_ns()))
    scripted.published.get(timeout=WAIT_S)
    assert worker.stop(WAIT_S)
    assert done == ["asked", "arrival"]


def test_a_task_never_ends_the_worker(inbox: Inbox, log_lines: list[Any]) -> None:
    """A task that fails is counted and logged; the next one is done, and the next message handled."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    done = threading.Event()

    def fail() -> None:
        raise MemoryError

    worker.between_turns(fail)
    worker.between_turns(done.set)
    worker.start()
    inbox.put(Arrival("a", b"fine", 0))
    assert scripted.published.get(timeout=WAIT_S).topic == "a"
    assert done.is_set()
    assert worker.stop(WAIT_S)
    assert scripted.faults == 1
    assert [line["event"] for line in log_lines] == ["task between turns failed"]


def test_every_turn_is_a_beat(inbox: Inbox) -> None:
    """Good and bad messages are progress alike; a frame that is not finished is none."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    for payload in (b"fine", b"fail", b"wait"):
        inbox.put(Arrival("a", payload, 0))
    worker.start()
    assert scripted.begun.wait(WAIT_S)
    assert scripted.beats == 2
    scripted.may_finish.set()
    assert worker.stop(WAIT_S)
    assert scripted.beats >= 3


def test_idle_turns_come_in_time_for_the_watchdog(inbox: Inbox) -> None:
    """Without frames the worker still turns several times within the watchdog's timeout."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    assert worker.wait_s == 1.0
    heartbeat: Any = Heartbeat(Notifier("x", watchdog_s=2.0))
    part: Any = Any
    watched = Worker(inbox, part, part, heartbeat, ladder=part, on_fault=scripted.fault, on_end=scripted.ended.set)
    assert watched.wait_s == 0.5


def test_live_frames_go_before_observers(inbox: Inbox) -> None:
    """Frames that wait are all handled before observers look at the first of them; then they see every one."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    for number in range(50):
        inbox.put(Arrival(str(number), b"fine", 0))
    worker.start()
    topics = [scripted.published.get(timeout=WAIT_S).topic for _ in range(100)]
    assert topics == [*map(str, range(50)), *["after"] * 50]
    assert worker.stop(WAIT_S)


def test_observers_lag_only_so_far(inbox: Inbox) -> None:
    """Where live frames never end, observers still get their turns, lest what they have not seen fill the memory."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    for number in range(90):
        inbox.put(Arrival(str(number), b"fine", 0))
    worker.start()
    topics = [scripted.published.get(timeout=WAIT_S).topic for _ in range(180)]
    assert topics.index("after") == 65
    assert topics[-64:] == ["after"] * 64
    assert worker.stop(WAIT_S)


def test_every_turn_looks_at_the_load(inbox: Inbox) -> None:
    """With the time that the frame in hand has waited, and what the inbox says; an idle turn has waited for none."""
    scripted = Scripted()
    worker = make_worker(scripted, inbox)
    worker.wait_s = 0.0
    for number in range(2):
        inbox.put(Arrival(str(number), b"fine", 0))
    worker.start()
    for _ in range(4):
        scripted.published.get(timeout=WAIT_S)
    assert worker.stop(WAIT_S)
    assert [fullness for _, fullness, _ in scripted.loads[:3]] == [0.01, 0.0, 0.0]
    assert scripted.loads[0][0] > 0.0
    assert scripted.loads[2][0] == 0.0


def test_observers_lag_fewer_frames_where_frames_are_long(inbox: Inbox) -> None:
    """Sixty-four frames of 8 MiB, which short payloads become, would be more than the service may take."""
    scripted = Scripted()
    scripted.frame_bytes = 8 * 1024 * 1024
    worker = make_worker(scripted, inbox)
    for number in range(20):
        inbox.put(Arrival(str(number), b"fine", 0))
    worker.start()
    topics = [scripted.published.get(timeout=WAIT_S).topic for _ in range(40)]
    assert topics[:6] == ["0", "1", "2", "after", "3", "after"]
    assert worker.stop(WAIT_S)
