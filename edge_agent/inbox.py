"""The inbox: the one queue between the link thread (edge_agent.link, edge_agent.mqtt) and the worker.

Bounded. Where more comes than is handled, one source is silenced for a while, so that the others keep whole windows:
docs/adr/0019-overload.md.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from queue import Empty
from typing import Final

FULL_FRAMES: Final = "full_frames"
FULL_BYTES: Final = "full_bytes"
SILENCED: Final = "silenced"
CLOSED: Final = "closed"

TOPIC_TOO_LONG: Final = "topic_too_long"
LONGEST_TOPIC: Final = 512
"""Characters; identities are up to 128 each."""

OTHER_SOURCES: Final = ""
_MOST_SOURCES = 256
"""Sources that are remembered by name; invented ones must not fill the memory."""
_FREE_SHARE = 0.125
"""Share of the room that is free once room was made: what stays can be worked off, and is not late for ever."""
_BUSY_SHARE = 0.5
"""A source with at least this share of what the busiest one has waiting is as busy: chance decides such differences."""

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came.

    Attributes:
        topic: Its topic; all of one topic are one source.
        payload: Its bytes, not looked at yet.
        received_ns: Monotonic time at which its last byte was there.
        retained: Whether the broker had kept it, so that it tells of the past.
    """

    topic: str
    payload: bytes
    received_ns: int
    retained: bool = False


class Inbox:
    """A bounded queue of arrivals.

    Beyond a limit one source goes: all of it that waits, and all that comes for ``silence_ns``. Of the busiest sources
    it is the one of which least was dropped so far. Where only one source waits, it goes up to its newest arrival and
    is not silenced: one long gap costs fewer windows than many short ones.

    Args:
        max_frames: Most arrivals held.
        max_bytes: Most payload bytes held; a single arrival is held even where it alone is longer.
        silence_ns: How long a source that made room is not listened to.
    """

    def __init__(self, *, max_frames: int, max_bytes: int, silence_ns: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._silence_ns = silence_ns
        self._arrivals: deque[Arrival] = deque()
        self._bytes = 0
        self._dropped: Counter[str] = Counter()
        self._dropped_n = 0
        self._dropped_of: Counter[str] = Counter()
        self._silenced_until_ns: dict[str, int] = {}
        self._closed = False
        self._changed = threading.Condition()

    def silence_for(self, silence_ns: int) -> None:
        """Silence a source that makes room for so long, from the next one on."""
        self._silence_ns = silence_ns

    @property
    def dropped(self) -> int:
        """Arrivals dropped, for whatever reason."""
        return self._dropped_n

    @property
    def dropped_by_reason(self) -> dict[str, int]:
        """Arrivals dropped because the inbox was full, their source silenced, or the inbox closed."""
        with self._changed:
            return dict(self._dropped)

    @property
    def dropped_by_source(self) -> dict[str, int]:
        """Arrivals dropped by topic; beyond 256 topics the others are one, ``OTHER_SOURCES``."""
        with self._changed:
            return dict(self._dropped_of)

    @property
    def fullness(self) -> float:
        """The share of the room that is taken, 0 to 1, by frames or by bytes, whichever is more."""
        return self._fullness(len(self._arrivals), self._bytes)

    @property
    def age_ms(self) -> int:
        """How long the oldest arrival has waited, ms; 0 when none does."""
        with self._changed:
            return (time.monotonic_ns() - self._arrivals[0].received_ns) // _NS_PER_MS if self._arrivals else 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def bound(self, *, max_frames: int, max_bytes: int) -> None:
        """Hold so many from the next arrival on."""
        with self._changed:
            self._max_frames = max_frames
            self._max_bytes = max_bytes

    def put(self, arrival: Arrival) -> None:
        """Add an arrival and wake the worker; never waits."""
        with self._changed:
            if self._closed:
                self._count(arrival, CLOSED)
            elif arrival.received_ns < self._silenced_until_ns.get(arrival.topic, arrival.received_ns):
                self._count(arrival, SILENCED)
            else:
                self._arrivals.append(arrival)
                self._bytes += len(arrival.payload)
                if reason := self._is_over():
                    self._make_room(arrival, reason)
                self._changed.notify()

    def take(self, timeout_s: float) -> Arrival:
        """The oldest arrival, as soon as there is one.

        Raises:
            Empty: There was none for ``timeout_s`` seconds, or the inbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals or self._closed, timeout_s)
            if self._closed or not self._arrivals:
                raise Empty
            arrival = self._arrivals.popleft()
            self._bytes -= len(arrival.payload)
            return arrival

    def close(self) -> None:
        """Drop what waits, take no more, and wake the worker."""
        with self._changed:
            self._closed = True
            self._drop(lambda _: True, CLOSED)
            self._changed.notify_all()

    def _fullness(self, n_frame: int, n_byte: int) -> float:
        return max(n_frame / self._max_frames, n_byte / self._max_bytes)

    def _is_over(self) -> str:
        """Which limit is passed; empty when none is."""
        if len(self._arrivals) > self._max_frames:
            return FULL_FRAMES
        return FULL_BYTES if self._bytes > self._max_bytes else ""

    def _make_room(self, newest: Arrival, reason: str) -> None:
        frames, sizes = self._waiting()
        chosen: set[str] = set()
        n_frame, n_byte = len(self._arrivals), self._bytes
        for topic in self._in_order(frames if reason == FULL_FRAMES else sizes):
            if self._fullness(n_frame, n_byte) <= 1.0 - _FREE_SHARE or len(chosen) == len(frames) - 1:
                break
            chosen.add(topic)
            n_frame -= frames[topic]
            n_byte -= sizes[topic]
        self._silence(chosen, newest.received_ns)
        self._drop(lambda each: each.topic in chosen, reason)
        if self._fullness(n_frame, n_byte) > 1.0 - _FREE_SHARE:
            # One source is left, and too much by itself.
            last = self._arrivals[-1]
            self._drop(lambda each: each is not last, reason)

    def _waiting(self) -> tuple[Counter[str], Counter[str]]:
        """What waits by source, in frames and in bytes."""
        frames: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for each in self._arrivals:
            frames[each.topic] += 1
            sizes[each.topic] += len(each.payload)
        return frames, sizes

    def _in_order(self, waiting: Counter[str]) -> Iterator[str]:
        """All sources, busiest first; of those about as busy, the one comes first of which least was dropped."""
        left = dict(waiting)
        # One that has no name here has shared the fate of the others, not been spared.
        others = self._dropped_of[OTHER_SOURCES]
        while left:
            least = _BUSY_SHARE * max(left.values())
            busiest = [topic for topic, n in left.items() if n >= least]
            yield from sorted(busiest, key=lambda topic: self._dropped_of.get(topic, others))
            left = {topic: n for topic, n in left.items() if n < least}

    def _silence(self, topics: Iterable[str], now_ns: int) -> None:
        self._silenced_until_ns = {name: until for name, until in self._silenced_until_ns.items() if until > now_ns}
        room = max(0, _MOST_SOURCES - len(self._silenced_until_ns))
        self._silenced_until_ns |= dict.fromkeys(islice(topics, room), now_ns + self._silence_ns)

    def _drop(self, goes: Callable[[Arrival], bool], reason: str) -> None:
        gone = [each for each in self._arrivals if goes(each)]
        self._arrivals = deque(each for each in self._arrivals if not goes(each))
        for each in gone:
            self._bytes -= len(each.payload)
            self._count(each, reason)

    def _count(self, arrival: Arrival, reason: str) -> None:
        known = arrival.topic in self._dropped_of or len(self._dropped_of) < _MOST_SOURCES
        self._dropped_of[arrival.topic if known else OTHER_SOURCES] += 1
        self._dropped[reason] += 1
        self._dropped_n += 1
