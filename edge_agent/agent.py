"""The agent: link -> inbox -> worker -> link, and the account it gives of itself."""

from __future__ import annotations

import gc
import secrets
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import structlog

from edge_agent.frame import NS_PER_S
from edge_agent.health import OFFLINE, ONLINE, STOPPING, Health, Identity
from edge_agent.inbox import Inbox
from edge_agent.link import Link
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.onlookers import Onlookers
from edge_agent.outbox import Outbox
from edge_agent.pipeline import Pipeline
from edge_agent.publication import JSON, Publication
from edge_agent.sdnotify import Heartbeat, Notifier
from edge_agent.startup import LoadedShadow
from edge_agent.status_file import encode_status, prepare_folder, write_status
from edge_agent.version import AGENT_VERSION
from edge_agent.worker import Worker

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel

STOPPED = "stopped"
VANISHED = "connection lost"

FINISH_TIMEOUT_S = 5.0
GOODBYE_TIMEOUT_S = 3.0

_WITHOUT_SHADOW = LoadedShadow()
_SILENCED_WINDOWS = 3
"""A source that must make room is silenced for so many windows: a gap costs it one more window, however long it is."""

_log = structlog.get_logger(__name__)


class Event(Enum):
    """What the agent's main thread waits for."""

    STOP = auto()
    LINK_CHANGED = auto()
    WORKER_ENDED = auto()


class Agent:
    """One run of the agent.

    Args:
        config: Its config.
        model: The loaded and proven bundle.
        notifier: Where systemd listens.
        shadow: What became of the second bundle.

    Raises:
        ConfigError: The state folder cannot be written to.
    """

    def __init__(
        self, config: AgentConfig, model: LoadedModel, notifier: Notifier, shadow: LoadedShadow = _WITHOUT_SHADOW
    ) -> None:
        prepare_folder(config.agent.state_dir)
        self._config = config
        self._notifier = notifier
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._health = Health(identity=Identity.of(config, model, run=secrets.token_hex(8), version=AGENT_VERSION))
        self._inbox = Inbox(
            max_frames=config.limits.inbox_frames,
            max_bytes=config.limits.inbox_bytes,
            silence_ns=round(_SILENCED_WINDOWS * model.spec.window_s * NS_PER_S),
        )
        self._outbox = Outbox(config.limits.outbox_messages)
        self._onlookers = Onlookers(config, model, shadow, self._health)
        self._pipeline = Pipeline(config, model, self._health, observers=self._onlookers.observers)
        self._link = Link(config, self._outbox, self._listener())
        self._worker = Worker(
            self._inbox,
            self._pipeline,
            self._link,
            Heartbeat(notifier),
            ladder=self._onlookers.ladder,
            on_fault=lambda: self._health.counters.add("internal_errors"),
            on_end=lambda: self._events.put(Event.WORKER_ENDED),
        )

    def stop(self) -> None:
        """Ask the agent to end; may be called from a signal handler and from any thread."""
        # SimpleQueue.put may interrupt itself; a lock or an Event may not.
        self._events.put(Event.STOP)

    def run(self) -> bool:
        """Run until ``stop`` is called.

        Returns:
            Whether the agent was asked to end; false when its worker failed.
        """
        self._start()
        try:
            event = self._watch()
        finally:
            self._end()
        return event is Event.STOP

    def _start(self) -> None:
        _freeze_garbage()
        self._health.state = ONLINE
        self._worker.start()
        self._link.start()
        self._report()
        # Ready without the link: an aircraft boots before its network does.
        self._notifier.ready(self._summary())
        _log.info("agent started", bundle=self._health.identity.bundle_id, run=self._health.identity.run)

    def _watch(self) -> Event:
        """Report at every interval and change, until an end is due; returns why."""
        while True:
            try:
                event = self._events.get(timeout=self._config.agent.status_interval_s)
            except Empty:
                event = Event.LINK_CHANGED
            if event is not Event.LINK_CHANGED:
                return event
            self._health.link = self._link.state
            self._report()
            if self._health.link.connected:
                self._link.publish(self._status(self._document()))
            self._notifier.status(self._summary())

    def _end(self) -> None:
        self._health.state = STOPPING
        self._notifier.stopping()
        if not self._worker.stop(FINISH_TIMEOUT_S):
            _log.error("frame in hand not finished", waited_s=FINISH_TIMEOUT_S)
        else:
            self._link.publish(*self._onlookers.close())
        self._health.state, self._health.reason = OFFLINE, STOPPED
        self._link.publish(self._status(self._document()))
        if not self._link.stop(GOODBYE_TIMEOUT_S):
            _log.warning("messages not delivered", n=len(self._outbox))
        self._health.link = self._link.state
        self._report()
        _log.info("agent stopped", **self._gauges())

    def _listener(self) -> LinkListener:
        return LinkListener(
            on_arrival=self._inbox.put,
            on_change=self._on_link_change,
            birth=lambda: self._status(self._document()),
            will=self._status({**self._document(), "state": OFFLINE, "reason": VANISHED}),
        )

    def _on_link_change(self, _state: LinkState) -> None:
        self._events.put(Event.LINK_CHANGED)

    def _report(self) -> None:
        try:
            write_status(self._config.agent.state_dir, self._document())
        except OSError as error:
            # A full disk must not end the watch over an engine.
            self._health.counters.add("status_not_written")
            _log.error("status not written", error=str(error), folder=str(self._config.agent.state_dir))

    def _status(self, document: dict[str, Any]) -> Publication:
        return Publication(
            topic=self._config.status_topic, payload=encode_status(document), content_type=JSON, retain=True
        )

    def _document(self) -> dict[str, Any]:
        return {**self._health.document(self._gauges()), **self._onlookers.document(self._inbox)}

    def _gauges(self) -> dict[str, int]:
        return {
            "engines": len(self._pipeline.streams),
            "frames_late": self._pipeline.streams.late_frames,
            "inbox_waiting": len(self._inbox),
            "inbox_dropped": self._inbox.dropped,
            **{f"inbox_dropped.{reason}": n for reason, n in sorted(self._inbox.dropped_by_reason.items())},
            "outbox_waiting": len(self._outbox),
            "outbox_dropped": self._outbox.dropped,
            "messages_acknowledged": self._outbox.acknowledged,
        }

    def _summary(self) -> str:
        link = self._link.state
        where = f"{self._config.broker.host}:{self._config.broker.port}"
        connected = f"connected to {where}" if link.connected else f"waiting for {where} {link.error}".rstrip()
        return f"{self._health.identity.bundle_id}, {len(self._pipeline.streams)} engines, {connected}"


def _freeze_garbage() -> None:
    """Take all that was loaded, which stays for good, out of the garbage collector's sight.

    A full collection walks everything it sees: 20 ms without this, in the middle of whatever frame is in hand.
    """
    gc.collect()
    gc.freeze()
