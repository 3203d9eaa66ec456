"""Reports about engines beside their results: the waveform around alerts, and the summary of each flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from edge_agent.evidence_desk import EvidenceDesk
from edge_agent.flight_recorder import FlightRecorder
from edge_agent.waveform_recorder import WaveformRecorder

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.health import Health
    from edge_agent.inbox import Arrival
    from edge_agent.publication import Publication

_TICK_NS = 1_000_000_000

_log = structlog.get_logger(__name__)


class EngineReports:
    """An observer that looks at the clock, too: silence ends a flight.

    Args:
        config: The agent's config.
        model: The loaded bundle.
        health: Who we are, and counts.
        publish: Queues a message; never waits.
        is_connected: Whether the link stands.
        is_waiting: Whether a message waits for its acknowledgement.
        now_ns: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        model: LoadedModel,
        health: Health,
        *,
        publish: Callable[[Publication], None],
        is_connected: Callable[[], bool],
        is_waiting: Callable[[Publication], bool],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._request_topic = config.evidence_request_topic
        self._desk = EvidenceDesk(config, health, publish=publish, is_connected=is_connected, is_waiting=is_waiting)
        self._waveforms = WaveformRecorder(config, model, health.counters, self._desk.save, now_ns=now_ns)
        self._flights = FlightRecorder(config, health, now_ns=now_ns)
        self._now_ns = now_ns
        self._ticked_ns = now_ns()
        # The worker observes, the main thread ticks: where no engine is heard, only the latter notices.
        self._lock = threading.Lock()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs that writes waveforms."""
        return self._desk.is_alive

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two turns of the worker."""
        with self._lock:
            self._waveforms.reconfigure(config)
            self._flights.reconfigure(config)
            self._desk.reconfigure(config)

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides, from the next turn of the worker on."""
        with self._lock:
            self._waveforms.swap(model)

    def start(self) -> None:
        """Begin to write and to ship."""
        self._desk.start()

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Follow a frame; gives summaries of flights that are over."""
        with self._lock:
            self._waveforms.observe(frame, judgements)
            publications = self._flights.observe(frame, judgements)
            return publications + self._tick()

    def tick(self) -> list[Publication]:
        """Look at the clock; gives summaries of flights that have fallen silent."""
        with self._lock:
            return self._tick()

    def asks_for_evidence(self, arrival: Arrival) -> bool:
        """Take a request for evidence; false where ``arrival`` is none. Called by the link's thread, never waits."""
        if arrival.topic != self._request_topic:
            return False
        self._desk.request(arrival)
        return True

    def finish(self, timeout_s: float) -> list[Publication]:
        """Write the snapshots that wait, and end; gives the summaries of flights that were not over.

        A worker that hangs keeps the lock for good: then there are none, and the agent ends nevertheless.
        """
        publications: list[Publication] = []
        if self._lock.acquire(timeout=timeout_s):
            try:
                self._waveforms.finish()
                publications = self._flights.finish()
            finally:
                self._lock.release()
        else:
            _log.error("flights not summed up", waited_s=timeout_s)
        self._desk.stop(timeout_s)
        return publications

    def _tick(self) -> list[Publication]:
        if self._now_ns() - self._ticked_ns < _TICK_NS:
            return []
        self._ticked_ns = self._now_ns()
        self._waveforms.tick()
        return self._flights.tick()
