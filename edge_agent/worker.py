"""The worker: the one thread that computes. Takes from the inbox, runs the pipeline, publishes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from edge_agent.inbox import Inbox
    from edge_agent.link import Link
    from edge_agent.pipeline import Pipeline
    from edge_agent.sdnotify import Heartbeat

_LONGEST_WAIT_S = 1.0

_log = structlog.get_logger(__name__)


class Worker:
    """Turns until it is stopped; every turn, with work or without, is a beat of the heart.

    Args:
        inbox: Where arrivals come from.
        pipeline: What is done with them.
        link: Takes the publications.
        heartbeat: Fed by every turn.
        on_fault: Told of a message that made the pipeline fail.
        on_end: Told when the thread ends, wanted or not.

    Attributes:
        wait_s: Longest wait for an arrival: an idle worker turns, too.
    """

    def __init__(
        self,
        inbox: Inbox,
        pipeline: Pipeline,
        link: Link,
        heartbeat: Heartbeat,
        *,
        on_fault: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._pipeline = pipeline
        self._link = link
        self._heartbeat = heartbeat
        self._on_fault = on_fault
        self._on_end = on_end
        self.wait_s = min(_LONGEST_WAIT_S, heartbeat.interval_s)
        self._stopping = threading.Event()
        self._between: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin to turn."""
        self._thread.start()

    def between_turns(self, task: Callable[[], None]) -> None:
        """Have ``task`` run by the worker's thread before its next arrival; may be called from any thread."""
        self._between.put(task)

    def stop(self, timeout_s: float) -> bool:
        """Finish the frame in hand, publish what is decided, and end; whether that was done in time."""
        self._stopping.set()
        self._inbox.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                while not self._between.empty():
                    self._between.get()()
                self._turn()
                self._heartbeat.beat()
        finally:
            self._on_end()

    def _turn(self) -> None:
        try:
            arrival = self._inbox.take(self.wait_s)
        except Empty:
            return
        try:
            publications = self._pipeline.handle(arrival)
        except Exception:  # noqa: BLE001 - the loop's one catch-all: a message never kills the agent
            self._on_fault()
            _log.error("message failed", topic=arrival.topic, n_byte=len(arrival.payload), exc_info=True)
            return
        self._link.publish(*publications)
        # The results are on their way; what follows costs them nothing.
        self._link.publish(*self._pipeline.follow_up())
