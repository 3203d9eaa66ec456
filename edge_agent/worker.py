"""The worker: the one thread that computes. Takes from the inbox, runs the pipeline, publishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from edge_agent.inbox import Arrival, Inbox
    from edge_agent.link import Link
    from edge_agent.overload import Ladder
    from edge_agent.pipeline import Pipeline
    from edge_agent.publication import Publication
    from edge_agent.sdnotify import Heartbeat

_LONGEST_WAIT_S = 1.0
_LINGER_S = 0.001
"""Longest wait for the link to send results, and rest before the observers go to work: the broker works in it."""
_NO_WAIT_S = 0.0
_MOST_BEHIND = 64
"""Frames that observers may lag behind, since live frames go first; with more, each frame waits for one of them."""
_MOST_BYTES_BEHIND = 16 * 1024 * 1024
"""Bytes of these frames; 64 of the longest would take more memory than the agent may have."""

_FAULTS_LOGGED = 100
"""Different faults that are logged, by kind and topic; further ones are only counted."""

_NS_PER_MS = 1e6

_log = structlog.get_logger(__name__)


class Worker:
    """Turns until it is stopped; every turn, with work or without, is a beat of the heart.

    Args:
        inbox: Where arrivals come from.
        pipeline: What is done with them.
        link: Takes the publications.
        heartbeat: Fed by every turn.
        ladder: Told of the load.
        on_fault: Told of a message that made the pipeline fail, and of a task that failed.
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
        ladder: Ladder,
        on_fault: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._pipeline = pipeline
        self._link = link
        self._heartbeat = heartbeat
        self._ladder = ladder
        self._on_fault = on_fault
        self._on_end = on_end
        self.wait_s = min(_LONGEST_WAIT_S, heartbeat.interval_s)
        self._patience_s = self.wait_s
        self._told: set[tuple[str, str]] = set()
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
                self._turn()
                self._heartbeat.beat()
            self._publish(self._pipeline.follow_up())
        finally:
            self._on_end()

    def _turn(self) -> None:
        """Handle a frame; only where none waits, let the observers look at one."""
        try:
            arrival = self._inbox.take(self._patience_s)
        except Empty:
            self._do_what_was_asked()
            self._look_at_the_load(waited_ms=0.0)
            self._patience_s = _NO_WAIT_S if self._follow() else self.wait_s
            return
        # After the wait, not before: what was asked for meanwhile counts for this arrival.
        self._do_what_was_asked()
        self._look_at_the_load((time.monotonic_ns() - arrival.received_ns) / _NS_PER_MS)
        self._patience_s = _LINGER_S if self._handle(arrival) else _NO_WAIT_S
        while self._pipeline.behind > _MOST_BEHIND or self._pipeline.bytes_behind > _MOST_BYTES_BEHIND:
            self._follow()

    def _do_what_was_asked(self) -> None:
        while not self._between.empty():
            task = self._between.get()
            try:
                task()
            except Exception:  # noqa: BLE001 - as a message: what is asked for never kills the agent
                self._on_fault()
                _log.error("task between turns failed", exc_info=True)

    def _handle(self, arrival: Arrival) -> bool:
        """Handle a frame; whether there are results on their way."""
        try:
            publications = self._pipeline.handle(arrival)
        except Exception as error:  # noqa: BLE001 - the loop's one catch-all: a message never kills the agent
            self._on_fault()
            self._tell_once(arrival, type(error).__name__)
            return False
        has_published = self._publish(publications)
        if has_published:
            # A frame that waits already would keep the interpreter, and the result here, for as long as it takes.
            self._link.hand_over(_LINGER_S)
        return has_published

    def _tell_once(self, arrival: Arrival, kind: str) -> None:
        # What fails once fails at every frame: ten tracebacks a second would fill the disk. All are counted.
        key = (kind, arrival.topic)
        if key not in self._told and len(self._told) < _FAULTS_LOGGED:
            self._told.add(key)
            _log.error("message failed", topic=arrival.topic, n_byte=len(arrival.payload), exc_info=True)

    def _follow(self) -> bool:
        """Have the observers look at the next frame; whether more frames wait for that."""
        self._publish(self._pipeline.follow_next())
        return self._pipeline.behind > 0

    def _publish(self, publications: list[Publication]) -> bool:
        # Most frames cause nothing, and the link need not wake up for it.
        if publications:
            self._link.publish(*publications)
        return bool(publications)

    def _look_at_the_load(self, waited_ms: float) -> None:
        self._ladder.observe(waited_ms=waited_ms, fullness=self._inbox.fullness, dropped=self._inbox.dropped)
