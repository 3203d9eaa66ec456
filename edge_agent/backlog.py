"""The backlog: what was kept on disk and is read back, sent after everything live, and not faster than it may."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_agent.result import as_historical

if TYPE_CHECKING:
    from edge_agent.journal_store import RecordId
    from edge_agent.publication import Publication


@dataclass(slots=True, eq=False)
class Entry:
    """A publication on its way.

    Attributes:
        publication: What is sent.
        added_s: Monotonic time at which it was queued.
        records: The journal's record of it, or none.
        acknowledged: Whether the broker has it.
        dropped: Whether it was dropped from memory.
    """

    publication: Publication
    added_s: float
    records: tuple[RecordId, ...] = ()
    acknowledged: bool = False
    dropped: bool = False


class Backlog:
    """Entries of the journal that wait to be sent; not safe for threads, the outbox's lock guards it.

    Args:
        per_s: Most entries a second, on average over a second.
        now_s: The monotonic clock.
    """

    def __init__(self, per_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._now_s = now_s
        self._entries: deque[Entry] = deque()
        self._allowed = self._burst = max(1.0, per_s)
        self._since_s = now_s()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def records(self) -> list[RecordId]:
        """The records that wait here."""
        return [record for entry in self._entries for record in entry.records]

    def add(self, entries: Iterable[Entry]) -> None:
        """Queue entries, in order."""
        self._entries.extend(map(_historical, entries))

    def add_first(self, entries: Sequence[Entry]) -> None:
        """Queue entries before those that wait."""
        self._entries.extendleft(map(_historical, reversed(entries)))

    def take(self, room: int) -> list[Entry]:
        """The next entries to send, at most ``room``."""
        if not self._entries:
            return []
        now_s = self._now_s()
        self._allowed = min(self._burst, self._allowed + (now_s - self._since_s) * self._per_s)
        self._since_s = now_s
        n = max(0, min(room, int(self._allowed), len(self._entries)))
        self._allowed -= n
        return [self._entries.popleft() for _ in range(n)]


def _historical(entry: Entry) -> Entry:
    entry.publication = replace(entry.publication, payload=as_historical(entry.publication.payload))
    return entry
