"""The collector: messages to disk, then acknowledged; batches of them to the dataset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.backoff import Backoff
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.link import CollectError, Intake
from ground.fleet.collect.parts import Written, write_parts
from ground.fleet.collect.reminder import Reminder
from ground.fleet.collect.requests import take_requests
from ground.fleet.collect.rows import date_of_ns
from ground.fleet.collect.spool import Spool

BATCH_MESSAGES: Final = 50_000
BATCH_BYTES: Final = 64 * 1024 * 1024
"""A batch is turned into files in memory: evidence is large, and an outage leaves much of it."""
BATCH_S: Final = 60.0
_TURN_S = 0.05
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_LONGEST_GATHERED_S = 0.2
_MOST_GATHERED = 2_000
"""So many messages, or for so long, share one wait for the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorPlan:
    """How a collector works.

    Attributes:
        root: The dataset.
        name: Of the collector; its files begin with it.
        batch_s: A batch becomes files of the dataset after so long, s.
        batch_messages: Or after so many messages.
        batch_bytes: Or after so many bytes.
        topics: Where agents publish.
    """

    root: Path
    name: str
    batch_s: float = BATCH_S
    batch_messages: int = BATCH_MESSAGES
    batch_bytes: int = BATCH_BYTES
    topics: TopicsSection = field(default_factory=TopicsSection)


class Collector:
    """One collector.

    Args:
        plan: How it works.
        spool: Where messages wait for the dataset.
        intake: Where they come from.
        tell: Told what became of each batch.
        outage: Told why the broker is away.
        notes: Told which requests cannot be taken.
        now_s: The monotonic clock.
    """

    def __init__(
        self,
        plan: CollectorPlan,
        spool: Spool,
        intake: Intake,
        *,
        tell: Callable[[Written], object],
        outage: Reminder,
        notes: Reminder,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._spool = spool
        self._intake = intake
        self._tell = tell
        self._outage = outage
        self._notes = notes
        self._now_s = now_s
        self._begun_s = now_s()
        self._backoff = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S)

    def run(self, stopping: threading.Event) -> None:
        """Collect until ``stopping`` is set; a broker that goes away is waited for.

        Raises:
            CollectError: The broker is not there at the beginning, or refuses the collector.
            OSError: The disk refuses; what is not on it was not acknowledged.
        """
        self._intake.open()
        while not stopping.is_set():
            if self._gather(stopping):
                self._forward()
            else:
                self._reconnect(stopping)
            if self._is_due():
                self._end_batch()
        self._keep()
        self._intake.close()
        self._end_batch()

    def _gather(self, stopping: threading.Event) -> bool:
        """Take what comes for a moment, and keep it; whether the connection stands."""
        until_s = self._now_s() + _LONGEST_GATHERED_S
        stands, n = True, 0
        while stands and not stopping.is_set() and self._now_s() < until_s and n < _MOST_GATHERED:
            stands = self._intake.turn(_TURN_S)
            n = self._intake.n_taken
        self._keep()
        return stands

    def _keep(self) -> None:
        taken = self._intake.take()
        if taken:
            # Not where a connection stands: one that brings nothing may be lost again and again.
            self._backoff.reset()
            self._spool.append([each.message for each in taken])
            self._intake.acknowledge(taken)
            self._intake.flush()

    def _forward(self) -> None:
        """Hand on what people have asked for."""
        for request in take_requests(self._plan.root, self._notes):
            self._intake.publish(request.publication(self._plan.topics))

    def _is_due(self) -> bool:
        late = self._now_s() - self._begun_s >= self._plan.batch_s
        full = self._spool.n >= self._plan.batch_messages or self._spool.n_bytes >= self._plan.batch_bytes
        return full or (late and self._spool.n > 0)

    def _end_batch(self) -> None:
        if self._spool.n:
            batch = self._spool.batch
            written = write_parts(
                self._spool.messages(),
                self._plan.root,
                name=f"{self._plan.name}-{batch}",
                date=date_of_ns(int(batch)),
                topics=self._plan.topics,
            )
            written.damaged = self._spool.n_damaged
            self._spool.end_batch()
            self._tell(written)
        self._begun_s = self._now_s()

    def _reconnect(self, stopping: threading.Event) -> None:
        self._outage.tell(self._intake.loss)
        while not stopping.wait(self._backoff.next_s()):
            # What has come does not wait for the broker as well.
            if self._is_due():
                self._end_batch()
            try:
                self._intake.open()
            except CollectError as error:
                self._outage.tell(str(error))
                continue
            return
