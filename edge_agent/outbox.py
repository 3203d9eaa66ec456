"""The outbox: messages for the broker, kept in order until it has acknowledged them. No I/O.

The journal (edge_agent.journal) keeps on disk what the broker does not acknowledge soon. What it has kept and was not
sent yet leaves the queue here, and comes back from the disk as backlog: after what is live, at a limited rate.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edge_agent.backlog import Backlog, Entry
from edge_agent.publication import Grade

if TYPE_CHECKING:
    from edge_agent.journal_store import RecordId
    from edge_agent.publication import Publication

_WITHOUT_LIMIT = 1e9


class Outbox:
    """A bounded queue of publications, with those in flight remembered until they are acknowledged.

    Args:
        limit: Most publications that wait in memory; beyond, one goes and is counted: the oldest of the lowest grade,
            the retained status last.
        backlog_per_s: Most messages a second that come out of the journal.
        now_s: The monotonic clock.

    Attributes:
        filling: Set when more than half of the limit waits; the journal clears it.
    """

    def __init__(
        self, limit: int, *, backlog_per_s: float = _WITHOUT_LIMIT, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._now_s = now_s
        self._waiting: deque[Entry] = deque()
        self._backlog = Backlog(backlog_per_s, now_s)
        self._taken: deque[Entry] = deque()
        self._in_flight: dict[int, Entry] = {}
        self._arrived: list[RecordId] = []
        self._is_held_back = False
        self.filling = threading.Event()
        self._dropped = 0
        self._refused = dict.fromkeys(Grade, 0)
        self._acknowledged = 0
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """Publications dropped because too many waited, or because they were too long for the broker."""
        return self._dropped

    @property
    def refused(self) -> dict[Grade, int]:
        """Publications that the broker would not take, by grade."""
        return dict(self._refused)

    @property
    def acknowledged(self) -> int:
        """Publications that the broker has acknowledged."""
        return self._acknowledged

    def gauges(self) -> dict[str, int]:
        """Its figures, as the status tells them; a grade of which nothing was refused is left out."""
        return {
            "outbox_waiting": len(self),
            "outbox_dropped": self._dropped,
            **{f"messages_refused.{grade.name.lower()}": n for grade, n in self._refused.items() if n},
            "messages_acknowledged": self._acknowledged,
        }

    @property
    def in_flight(self) -> int:
        """Publications sent and not acknowledged yet."""
        return len(self._in_flight)

    @property
    def n_backlog(self) -> int:
        """Publications that were read from the journal and wait."""
        return len(self._backlog)

    def __len__(self) -> int:
        """What waits and what is in flight; the backlog, which is safe on disk, is not counted until it is sent."""
        return len(self._waiting) + len(self._in_flight)

    def add(self, *publications: Publication) -> None:
        """Queue publications, all of them at once or, to another thread, none."""
        now_s = self._now_s()
        with self._lock:
            for publication in publications:
                if publication.retain:
                    self._forget_waiting(publication.topic)
                self._waiting.append(Entry(publication, now_s))
            if len(self._waiting) > self._limit // 2 >= len(self._waiting) - len(publications):
                self.filling.set()
            self._trim()

    def add_first(self, publication: Publication) -> None:
        """Queue a publication before all that wait."""
        with self._lock:
            if publication.retain:
                self._forget_waiting(publication.topic)
            self._waiting.appendleft(Entry(publication, self._now_s()))
            self._trim()

    def take(self, window: int) -> list[Publication]:
        """The next publications to send, such that at most ``window`` are in flight with them.

        Those that wait come first, oldest first, then the backlog as far as its rate allows. Where not all of them may
        go, alerts overtake all but a birth. The caller reports each with ``sent`` before it asks again.
        """
        with self._lock:
            room = max(0, window - len(self._in_flight))
            if 0 < room < len(self._waiting):
                self._put_alerts_first()
            live = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            # The backlog takes half of the window at most: what is live next must not wait for it.
            room_old = min(room - len(live), max(1, window // 2) - self._n_old_in_flight())
            old = [] if self._is_held_back else self._backlog.take(room_old)
            self._taken.extend(live + old)
            return [entry.publication for entry in live + old]

    def sent(self, number: int, publication: Publication) -> None:
        """Note that ``publication``, the next one that ``take`` gave, is in flight as packet ``number``."""
        with self._lock:
            entry = next(each for each in self._taken if each.publication is publication)
            self._taken.remove(entry)
            self._in_flight[number] = entry

    def give_up(self, publication: Publication) -> None:
        """Drop ``publication``, which ``take`` gave, for good, and count it: no broker like this one would take it."""
        with self._lock:
            entry = next(each for each in self._taken if each.publication is publication)
            self._taken.remove(entry)
            # To the journal it is over, too.
            entry.acknowledged = True
            self._arrived.extend(entry.records)
            self._dropped += 1

    def acknowledge(self, number: int) -> None:
        """Note that packet ``number`` has arrived; a number that is not in flight is ignored."""
        with self._lock:
            self._acknowledged += len(self._settle(number))

    def refuse(self, number: int) -> str:
        """Note that the broker will not take packet ``number``, now or later: it counts, and goes; gives its topic."""
        with self._lock:
            for publication in self._settle(number):
                # What is retained is no result, whatever its grade: it is the status.
                self._refused[Grade.TELEMETRY if publication.retain else publication.grade] += 1
                return publication.topic
        return ""

    def _settle(self, number: int) -> tuple[Publication, ...]:
        """Have done with packet ``number``, in memory and on disk; empty where it is not in flight."""
        if number not in self._in_flight:
            return ()
        entry = self._in_flight.pop(number)
        entry.acknowledged = True
        self._arrived.extend(entry.records)
        return (entry.publication,)

    def rewind(self) -> None:
        """Note that the connection is gone: what was in flight goes out again, before everything else of its kind."""
        with self._lock:
            back = [*self._in_flight.values(), *self._taken]
            self._waiting.extendleft(reversed([entry for entry in back if not entry.records]))
            self._backlog.add_first([entry for entry in back if entry.records])
            self._in_flight.clear()
            self._taken.clear()
            self._trim()

    def hold_backlog_back(self) -> None:
        """Send no more of the backlog: the agent is about to end, and it is safe on disk."""
        self._is_held_back = True

    def holds(self, publication: Publication) -> bool:
        """Whether it is in memory: neither acknowledged, nor in the journal alone, nor dropped."""
        with self._lock:
            entries = [*self._in_flight.values(), *self._taken, *self._waiting]
        return any(each.publication is publication for each in entries)

    def holds_alone(self, publications: Sequence[Publication]) -> bool:
        """Whether one of these is in memory alone: neither acknowledged, nor in the journal, nor dropped."""
        wanted = {id(publication) for publication in publications}
        with self._lock:
            entries = [*self._in_flight.values(), *self._taken, *self._waiting]
        return any(id(each.publication) in wanted and not each.records for each in entries)

    def unkept(self, min_age_s: float) -> list[Entry]:
        """What the journal should keep now: all that has been here for ``min_age_s`` and is on no disk yet."""
        latest_s = self._now_s() - min_age_s
        with self._lock:
            entries = [*self._in_flight.values(), *self._taken, *self._waiting]
        return [each for each in entries if _is_for_disk(each) and each.added_s <= latest_s]

    def kept(self, entries: Sequence[Entry], records: Sequence[RecordId]) -> None:
        """Note that entries are on disk, as these records: those that were not sent yet are no longer held here."""
        with self._lock:
            for entry, record in zip(entries, records, strict=True):
                entry.records = (record,)
                self._dropped -= entry.dropped
                if entry.acknowledged:
                    self._arrived.append(record)
            self._waiting = deque(each for each in self._waiting if not each.records)

    def arrived(self) -> list[RecordId]:
        """The records that have arrived since the last call."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
            return arrived

    @property
    def held(self) -> list[RecordId]:
        """The records that need not be read: on their way, in the backlog here, or arrived."""
        with self._lock:
            flying = [record for each in (*self._in_flight.values(), *self._taken) for record in each.records]
            return [*flying, *self._backlog.records, *self._arrived]

    def add_backlog(self, entries: Iterable[Entry]) -> None:
        """Queue what was read from the journal."""
        with self._lock:
            self._backlog.add(entries)

    def _put_alerts_first(self) -> None:
        if not any(map(_is_alert, self._waiting)):
            return
        birth = [self._waiting.popleft()] if self._waiting[0].publication.retain else []
        alerts = [each for each in self._waiting if _is_alert(each)]
        self._waiting = deque([*birth, *alerts, *(each for each in self._waiting if not _is_alert(each))])

    def _n_old_in_flight(self) -> int:
        return sum(bool(entry.records) for entry in self._in_flight.values())

    def _forget_waiting(self, topic: str) -> None:
        # A retained message replaces the one before it: during an outage only the last needs to be kept.
        self._waiting = deque(
            each for each in self._waiting if not (each.publication.retain and each.publication.topic == topic)
        )

    def _trim(self) -> None:
        while len(self._waiting) > self._limit:
            index = self._least_needed()
            self._waiting[index].dropped = True
            del self._waiting[index]
            self._dropped += 1

    def _least_needed(self) -> int:
        # The birth waits first but is the newest: the status goes last, there is but one on each topic. Retained
        # telemetry is telemetry: an alert comes once, a state comes again.
        waiting = [entry.publication for entry in self._waiting]
        return min(range(len(waiting)), key=lambda index: _worth(waiting[index]))


def _worth(publication: Publication) -> tuple[bool, Grade]:
    return publication.retain and publication.grade > Grade.TELEMETRY, publication.grade


def _is_for_disk(entry: Entry) -> bool:
    return entry.publication.keep and not entry.publication.retain and not entry.records


def _is_alert(entry: Entry) -> bool:
    return entry.publication.grade is Grade.ALERT
