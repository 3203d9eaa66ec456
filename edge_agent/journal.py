"""The journal: a thread that keeps on disk what the broker does not acknowledge soon, and brings it back.

The worker and the link never wait for it, nor for the disk. What the broker has before its turn comes is not written at
all. docs/reference/journal.md says what can be lost, and what cannot.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from edge_agent.backlog import Entry
from edge_agent.config import MIB
from edge_agent.journal_store import JournalStore
from edge_agent.publication import Grade
from edge_agent.wear import Wear

if TYPE_CHECKING:
    from edge_agent.journal_config import JournalSection
    from edge_agent.outbox import Outbox

JOURNAL_FOLDER = "journal"
"""Its folder in the state folder."""

INTERVAL_S = 0.5
MIN_AGE_S = 0.25
"""A publication without acknowledgement for so long is written with the next batch, at most ``INTERVAL_S`` later."""

_AHEAD = 64
_AHEAD_BYTES = MIB
"""How much of the backlog is read before it is sent."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger(__name__)


class Journal:
    """Keeps what an outbox holds; runs until it is stopped.

    Args:
        settings: ``[journal]``.
        state_dir: The state folder.
        outbox: What it keeps.
    """

    def __init__(self, settings: JournalSection, state_dir: Path, outbox: Outbox) -> None:
        self._settings = settings
        self._folder = state_dir / JOURNAL_FOLDER
        self._outbox = outbox
        self._store = JournalStore(self._folder, settings.max_mib * MIB)
        self._wear = Wear(time.monotonic())
        self._faults: Counter[str] = Counter()
        self._is_open = self._is_failing = False
        self._pause_s = _FIRST_PAUSE_S
        self._retry_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs, where there is to be one."""
        return not self._settings.enabled or self._thread.is_alive()

    def start(self) -> None:
        """Begin: what an earlier run left is read, and sent once the link stands."""
        if self._settings.enabled:
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Keep all that the broker has not acknowledged, and end; whether that was done in time."""
        self._stopping.set()
        self._outbox.filling.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def gauges(self) -> dict[str, int]:
        """What the status document tells of it."""
        if not self._settings.enabled:
            return {}
        store = self._store
        waiting = {f"journal_waiting.{grade.name.lower()}": store.waiting(grade) for grade in Grade}
        dropped = {f"journal_dropped.{grade.name.lower()}": store.dropped[grade] for grade in Grade}
        return waiting | dropped | {
            "journal_bytes": store.size_bytes,
            "journal_written_bytes": store.written_bytes,
            "journal_mib_per_day": round(self._wear.mib_per_day(time.monotonic())),
            "journal_damaged": store.spoiled,
            "journal_torn": store.torn,
            "journal_unreadable": store.unreadable,
            "journal_write_errors": self._faults["write"],
            "journal_internal_errors": self._faults["internal"],
        }  # fmt: skip

    def _run(self) -> None:
        is_filling = False
        while not self._stopping.is_set():
            self._turn(0.0 if is_filling else MIN_AGE_S)
            is_filling = self._outbox.filling.wait(INTERVAL_S)
            self._outbox.filling.clear()
        self._retry_s = 0.0
        self._turn(0.0)

    def _turn(self, min_age_s: float) -> None:
        written_before = self._store.written_bytes
        # Each on its own: where nothing can be written, what is there is still read and sent.
        is_sound = [
            self._attempt(step) for step in (self._open, lambda: self._keep(min_age_s), self._note_arrived, self._read)
        ]
        written = self._store.written_bytes - written_before
        if written:
            self._wear.add(written, time.monotonic())
        if written and all(is_sound):
            self._recover()

    def _attempt(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except OSError as error:
            self._fail(error)
        except Exception:  # noqa: BLE001 - the loop's one catch-all: the journal must not end before the agent
            self._faults["internal"] += 1
            _log.error("journal failed", exc_info=True)
        else:
            return True
        return False

    def _open(self) -> None:
        if self._is_open:
            return
        self._store.open()
        self._is_open = True
        found = {name: count for name, count in self.gauges().items() if count}
        if found:
            say = _log.warning if found.keys() & {"journal_damaged", "journal_unreadable"} else _log.info
            say("journal opened", **found)

    def _keep(self, min_age_s: float) -> None:
        """Write what must be kept, the best grade first."""
        if not self._is_open or time.monotonic() < self._retry_s:
            return
        entries = sorted(self._outbox.unkept(min_age_s), key=lambda entry: -entry.publication.grade)
        for grade, group in groupby(entries, key=lambda entry: entry.publication.grade):
            for batch in self._batches(list(group)):
                records = self._store.write(grade, [entry.publication for entry in batch])
                if records:
                    self._outbox.kept(batch, records)

    def _note_arrived(self) -> None:
        arrived = self._outbox.arrived()
        if arrived:
            self._store.acknowledge(arrived)

    def _read(self) -> None:
        wanted = _AHEAD - self._outbox.n_backlog
        if self._is_open and wanted > 0:
            found = self._store.read(wanted, _AHEAD_BYTES, self._outbox.held)
            self._outbox.add_backlog(Entry(publication, 0.0, (record,)) for record, publication in found)

    def _batches(self, entries: Sequence[Entry]) -> Iterator[list[Entry]]:
        """Batches of about the size of a segment at most."""
        batch: list[Entry] = []
        n_bytes = 0
        for entry in entries:
            batch.append(entry)
            n_bytes += len(entry.publication.payload)
            if n_bytes >= self._store.segment_bytes:
                yield batch
                batch, n_bytes = [], 0
        if batch:
            yield batch

    def _fail(self, error: OSError) -> None:
        self._faults["write"] += 1
        self._retry_s = time.monotonic() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, _LONGEST_PAUSE_S)
        if not self._is_failing:
            self._is_failing = True
            _log.error("journal not written; results are kept in memory", error=str(error), folder=str(self._folder))

    def _recover(self) -> None:
        self._pause_s = _FIRST_PAUSE_S
        if self._is_failing:
            self._is_failing = False
            _log.info("journal written again", folder=str(self._folder))
