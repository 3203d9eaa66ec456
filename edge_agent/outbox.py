"""The outbox: messages for the broker, kept in order until it has acknowledged them. No I/O."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.publication import Publication


class Outbox:
    """A bounded queue of publications, with those in flight remembered until they are acknowledged.

    Args:
        limit: Most publications that wait; beyond, one goes and is counted: the oldest of the lowest grade that is not
            retained.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Publication] = deque()
        self._in_flight: dict[int, Publication] = {}
        self._dropped = 0
        self._acknowledged = 0
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """Publications dropped because too many waited."""
        return self._dropped

    @property
    def acknowledged(self) -> int:
        """Publications that the broker has acknowledged."""
        return self._acknowledged

    @property
    def in_flight(self) -> int:
        """Publications sent and not acknowledged yet."""
        return len(self._in_flight)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def add(self, *publications: Publication) -> None:
        """Queue publications, all of them at once or, to another thread, none."""
        with self._lock:
            for publication in publications:
                if publication.retain:
                    self._forget_waiting(publication.topic)
                self._waiting.append(publication)
            self._trim()

    def add_first(self, publication: Publication) -> None:
        """Queue a publication before all that wait."""
        with self._lock:
            if publication.retain:
                self._forget_waiting(publication.topic)
            self._waiting.appendleft(publication)
            self._trim()

    def take(self, window: int) -> list[Publication]:
        """The next publications to send, oldest first, such that at most ``window`` are in flight with them.

        The caller reports each with ``sent`` before it asks again.
        """
        with self._lock:
            n = max(0, min(window - len(self._in_flight), len(self._waiting)))
            return [self._waiting.popleft() for _ in range(n)]

    def sent(self, number: int, publication: Publication) -> None:
        """Note that ``publication`` is in flight as packet ``number``."""
        with self._lock:
            self._in_flight[number] = publication

    def acknowledge(self, number: int) -> None:
        """Note that packet ``number`` has arrived; a number that is not in flight is ignored."""
        with self._lock:
            if self._in_flight.pop(number, None) is not None:
                self._acknowledged += 1

    def rewind(self) -> None:
        """Note that the connection is gone: what was in flight goes out again, before everything else."""
        with self._lock:
            self._waiting.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
            self._trim()

    def _forget_waiting(self, topic: str) -> None:
        # A retained message replaces the one before it: during an outage only the last needs to be kept.
        self._waiting = deque(each for each in self._waiting if not (each.retain and each.topic == topic))

    def _trim(self) -> None:
        while len(self._waiting) > self._limit:
            del self._waiting[self._least_needed()]
            self._dropped += 1

    def _least_needed(self) -> int:
        # The birth waits first but is the newest: retained messages go last, there is but one on each topic.
        return min(
            range(len(self._waiting)), key=lambda index: (self._waiting[index].retain, self._waiting[index].grade)
        )
