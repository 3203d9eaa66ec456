"""The evidence desk: the thread that writes snapshots and ships them, so that the worker waits for no disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.config import KIB, MIB
from edge_agent.errors import EvidenceError, FrameFileError, WireError
from edge_agent.evidence import Evidence
from edge_agent.evidence_request import decode_request
from edge_agent.evidence_shipment import MOST_WAITING, Shipper
from edge_agent.evidence_store import FOLDER, EvidenceStore
from edge_agent.publication import Grade, Publication
from edge_agent.topics import TopicTemplate
from edge_agent.waveform_ring import Snapshot
from edge_agent.wire import encode_frame

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.health import Health
    from edge_agent.inbox import Arrival

_TURN_S = 1.0
_STOP: Final = "stop"

_log = structlog.get_logger(__name__)


class EvidenceDesk:
    """Takes snapshots and requests from other threads, which never wait for it.

    Args:
        config: The agent's config.
        health: Counts, and who we are.
        publish: Queues a message.
        is_connected: Whether the link stands.
        is_waiting: Whether a message waits for its acknowledgement.
    """

    def __init__(
        self,
        config: AgentConfig,
        health: Health,
        *,
        publish: Callable[[Publication], None],
        is_connected: Callable[[], bool],
        is_waiting: Callable[[Publication], bool],
    ) -> None:
        section = config.evidence
        self._counters = health.counters
        self._agent, self._run = health.identity.agent, health.identity.run
        self._publish = publish
        self._topic = TopicTemplate(config.topics.evidence)
        self._expiry_s = config.broker.message_expiry_s
        self._most_bytes = section.memory_mib * MIB
        self._store = EvidenceStore(
            config.agent.state_dir / FOLDER,
            max_bytes=section.max_mib * MIB,
            max_files=section.max_files,
            on_unreadable=self._not_read,
        )
        self._shipper = Shipper(
            self._store,
            topic=config.evidence_data_topic,
            agent=self._agent,
            run=self._run,
            rate=section.ship_kib_s * KIB,
            expiry_s=config.broker.message_expiry_s,
            counters=self._counters,
            publish=publish,
            is_connected=is_connected,
            is_waiting=is_waiting,
        )
        self._jobs: SimpleQueue[Snapshot | Arrival | str] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._waiting_requests = 0
        self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config; what is on its way keeps the one before."""
        self._expiry_s = self._shipper.expiry_s = config.broker.message_expiry_s

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, and end; whether that was done in time."""
        self._jobs.put(_STOP)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def save(self, snapshot: Snapshot) -> None:
        """Have a snapshot written and announced; one that finds too many waiting is lost, and counted."""
        n_byte = snapshot.n_byte
        with self._lock:
            full = self._waiting_bytes + n_byte > self._most_bytes
            self._waiting_bytes += 0 if full else n_byte
        if full:
            self._counters.add("evidence_lost.busy")
        else:
            self._jobs.put(snapshot)

    def request(self, arrival: Arrival) -> None:
        """Take a request; one that finds too many waiting is refused, and counted."""
        with self._lock:
            full = self._waiting_requests >= MOST_WAITING
            self._waiting_requests += not full
        if full:
            self._counters.add("evidence_requests_refused.busy")
        else:
            self._jobs.put(arrival)

    def _work(self) -> None:
        self._guarded(self._tidy)
        running = True
        while running:
            try:
                job = self._jobs.get(timeout=self._shipper.wait_s(time.monotonic(), _TURN_S))
            except Empty:
                self._guarded(lambda: self._shipper.turn(time.monotonic()))
            else:
                running = job != _STOP
                self._guarded(partial(self._do, job))

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - the loop's one catch-all: evidence must not cost anything else
            self._counters.add("internal_errors")
            _log.error("evidence failed", exc_info=True)

    def _tidy(self) -> None:
        try:
            self._store.tidy()
        except OSError as error:
            self._not_written(error)

    def _do(self, job: Snapshot | Arrival | str) -> None:
        if isinstance(job, Snapshot):
            self._save(job)
        elif not isinstance(job, str):
            self._ask(job)

    def _save(self, snapshot: Snapshot) -> None:
        n_byte = snapshot.n_byte
        try:
            evidence = self._store.write(
                Evidence.of(snapshot, agent=self._agent, run=self._run),
                lambda: map(encode_frame, snapshot.frames),
                n_byte=n_byte,
            )
        except (OSError, FrameFileError, EvidenceError) as error:
            self._not_written(error)
            return
        finally:
            with self._lock:
                self._waiting_bytes -= n_byte
        self._counters.add("evidence_written")
        _log.info("evidence written", id=evidence.id, n_byte=evidence.n_byte, reproduces=evidence.reproduces)
        topic = self._topic.fill(aircraft=evidence.aircraft, engine=evidence.engine)
        self._publish(
            Publication(topic=topic, payload=evidence.to_msgpack(), expiry_s=self._expiry_s, grade=Grade.ALERT)
        )

    def _ask(self, arrival: Arrival) -> None:
        with self._lock:
            self._waiting_requests -= 1
        try:
            name = decode_request(arrival)
        except WireError as error:
            self._counters.add(f"evidence_requests_refused.{error.reason}")
            _log.debug("evidence request refused", reason=error.reason, error=str(error))
            return
        self._shipper.ask(name)

    def _not_read(self, error: OSError) -> None:
        self._counters.add("evidence_not_read")
        _log.error("evidence not read", error=str(error))

    def _not_written(self, error: Exception) -> None:
        self._counters.add("evidence_not_written")
        _log.error("evidence not written", error=str(error))
