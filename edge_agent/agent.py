"""The agent: link -> inbox -> worker -> link, and the account it gives of itself."""

from __future__ import annotations

import secrets
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import structlog

from edge_agent.agent_parts import inbox_of, most_units, unit_store_of, unit_watch_of
from edge_agent.checkup import Checkup
from edge_agent.cloud_events import CLOUD_EVENTS_FAULTS
from edge_agent.config_reload import ConfigState, changed_keys, check_reload
from edge_agent.engine_reports import EngineReports
from edge_agent.errors import ConfigError
from edge_agent.guard import Guard
from edge_agent.health import OFFLINE, ONLINE, STOPPED, STOPPING, Health, Identity, utc_now
from edge_agent.heap import freeze
from edge_agent.heard import Heard
from edge_agent.home_assistant import HomeAssistant
from edge_agent.inbox import LONGEST_TOPIC, TOPIC_TOO_LONG, Arrival
from edge_agent.journal import Journal
from edge_agent.link import Link
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.logs import set_level
from edge_agent.lull import Lull
from edge_agent.metrics_outlets import MetricsOutlets
from edge_agent.onlookers import Onlookers
from edge_agent.outbox import Outbox
from edge_agent.pipeline import Pipeline
from edge_agent.probation import Probation
from edge_agent.sdnotify import Heartbeat, Notifier
from edge_agent.startup import LoadedShadow
from edge_agent.status_file import StatusFile
from edge_agent.status_messages import status_message, status_messages, will_message
from edge_agent.swap import Swapper
from edge_agent.swap_parts import Follower, SwapParts
from edge_agent.trust_desk import TrustDesk
from edge_agent.version import AGENT_VERSION
from edge_agent.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.config import AgentConfig
    from edge_agent.config_source import ConfigSource
    from edge_agent.detector import LoadedModel
    from edge_agent.folder_lock import FolderLock
    from edge_agent.publication import Publication

FINISH_TIMEOUT_S = 5.0
EVIDENCE_TIMEOUT_S = 2.0
UNITS_TIMEOUT_S = 2.0
GOODBYE_TIMEOUT_S = 3.0
JOURNAL_TIMEOUT_S = 5.0

_WITHOUT_SHADOW = LoadedShadow()
_log = structlog.get_logger(__name__)


class Event(Enum):
    """What the agent's main thread waits for."""

    STOP = auto()
    RELOAD = auto()
    LINK_CHANGED = auto()
    SWAPPED = auto()
    WORKER_ENDED = auto()
    HALF_RELOADED = auto()
    THREAD_ENDED = auto()


class Agent:
    """One run of the agent.

    Args:
        config: Its config.
        model: The loaded and proven bundle.
        notifier: Where systemd listens.
        source: Where the config comes from; reads it again.
        lock: On the state folder.
        shadow: What became of the second bundle.

    Raises:
        ConfigError: The state folder cannot be read.
    """

    def __init__(
        self,
        config: AgentConfig,
        model: LoadedModel,
        notifier: Notifier,
        source: ConfigSource,
        *,
        lock: FolderLock,
        shadow: LoadedShadow = _WITHOUT_SHADOW,
    ) -> None:
        self._lock = lock
        self._config = config
        self._notifier = notifier
        self._source = source
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._health = Health(
            identity=Identity.of(config, model, run=secrets.token_hex(8), version=AGENT_VERSION),
            config=ConfigState(utc_now(), source.error),
        )
        self._guard = Guard(self._health.counters)
        self._inbox = inbox_of(config, model)
        self._outbox = Outbox(config.limits.outbox_messages, backlog_per_s=config.journal.backlog_per_s)
        self._journal = Journal(config.journal, config.agent.state_dir, self._outbox)
        self._reports = EngineReports(
            config,
            model,
            self._health,
            publish=self._publish,
            is_connected=lambda: self._link.state.connected,
            is_waiting=self._outbox.holds,
        )
        self._trust = TrustDesk(config, self._health, self._outbox)
        heard, heartbeat = Heard(config.agent.engines), Heartbeat(notifier)
        self._checkup = Checkup(config, self._health, heard, lambda: heartbeat.age_s)
        self._status_file = StatusFile(config.agent.state_dir, self._health.counters)
        self._metrics = MetricsOutlets(config.metrics, self._health.counters)
        self._units = unit_store_of(config)
        self._watch_of_units = unit_watch_of(config, model, self._units)
        self._onlookers = Onlookers(config, model, shadow, self._health)
        self._probation = Probation(config, model.bundle_digest, self._health.counters)
        self._home_assistant = HomeAssistant(config, model, lambda: self._link.state.connected)
        lull = Lull()
        onlookers = (*self._onlookers.observers, *self._home_assistant.observers)
        observers = (heard, self._reports, self._watch_of_units, self._probation, *onlookers, lull)
        self._pipeline = Pipeline(config, model, self._health, observers=observers, units=self._units)
        self._link = Link(config, self._outbox, self._listener())
        self._worker = self._new_worker(heartbeat)
        followers = (self._onlookers, self._reports, self._watch_of_units, self._home_assistant)
        self._swapper = self._new_swapper(followers, lull)

    def stop(self) -> None:
        """Ask the agent to end; may be called from a signal handler and from any thread."""
        # SimpleQueue.put may interrupt itself; a lock or an Event may not.
        self._events.put(Event.STOP)

    def reload(self) -> None:
        """Ask the agent to read its config again, and to look at its slots; as ``stop``, from anywhere."""
        self._events.put(Event.RELOAD)

    def run(self) -> bool:
        """Run until ``stop`` is called.

        Returns:
            Whether the agent was asked to end; false when one of its threads failed, or a reload did halfway.
        """
        self._start()
        event: Event | None = None
        try:
            event = self._watch()
        finally:
            # The bundle runs in the worker: what ends there may be its fault, and what nobody foresaw.
            self._end(gives_back=event not in (None, Event.WORKER_ENDED))
        return event is Event.STOP

    def _start(self) -> None:
        freeze()
        self._health.state = ONLINE
        self._reports.start()
        self._units.start()
        self._worker.start()
        self._swapper.start()
        self._journal.start()
        self._guard.run("trust", lambda: self._link.publish(*self._trust.tick()))
        self._link.start()
        self._guard.run("report", self._report)
        # Ready without the link: an aircraft boots before its network does.
        self._notifier.ready(self._summary())
        if not self._source.error:
            self._guard.run("config", lambda: self._source.keep(self._config))
        _log.info("agent started", bundle=self._health.identity.bundle_id, run=self._health.identity.run)

    def _watch(self) -> Event:
        """Report at every interval and change, until an end is due; returns why.

        Each step is guarded, and none of them makes an event: a fault that stays comes back with the next report.
        """
        while True:
            try:
                event = self._events.get(timeout=self._config.agent.status_interval_s)
            except Empty:
                event = Event.LINK_CHANGED
            if event is Event.RELOAD:
                self._guard.run("reload", self._reload)
            elif event not in (Event.LINK_CHANGED, Event.SWAPPED):
                return event
            if ended := self._ended():
                _log.critical("threads have ended, the agent ends to start anew", threads=ended)
                return Event.THREAD_ENDED
            self._health.link = self._link.state
            self._guard.run("probation", self._probation.tick)
            self._guard.run("swap", self._swapper.tick)
            self._guard.run("reports", lambda: self._link.publish(*self._reports.tick()))
            self._guard.run("trust", lambda: self._link.publish(*self._trust.tick()))
            self._guard.run("report", self._report)
            if self._health.link.connected:
                self._guard.run("status", self._publish_status)
                self._guard.run("home_assistant", self._tell_home_assistant)
            tell = self._notifier.ready if event is Event.RELOAD else self._notifier.status
            tell(self._summary())

    def _ended(self) -> list[str]:
        """Threads that should run and do not: each goes on after a fault, so it was one that nobody foresaw.

        That of the worker says so itself, and that of hot swaps is started anew: nothing that it knew is lost with it.
        """
        lives = {
            "link": self._link.is_alive,
            "journal": self._journal.is_alive,
            "evidence": self._reports.is_alive,
            "units": self._units.is_alive,
            "metrics": self._metrics.is_alive,
        }
        return [name for name, is_alive in lives.items() if not is_alive]

    def _reload(self) -> None:
        """Change to the config as it is now, or keep the one in force and say why."""
        self._notifier.reloading()
        self._swapper.look()
        try:
            config = self._read_again()
        except ConfigError as error:
            self._health.config = replace(self._health.config, error=str(error))
            self._health.counters.add("reloads_rejected")
            _log.error("config rejected, the one before stays in force", error=str(error))
        else:
            changes = changed_keys(self._config, config)
            self._whole(lambda: self._apply(config))
            self._health.config = ConfigState(utc_now())
            self._source.keep(config)
            self._health.counters.add("reloads")
            _log.info("config reloaded", changed=changes)

    def _read_again(self) -> AgentConfig:
        try:
            config = self._source.read()
        except ConfigError as error:
            # Told now: after a start that is not possible there is nobody to tell it.
            raise ConfigError(f"{error}; {self._source.outlook()}") from error
        check_reload(self._config, config)
        return config

    def _apply(self, config: AgentConfig) -> None:
        before, self._config = self._config, config
        interval_s = config.agent.status_interval_s
        self._health.rename(status_interval_s=interval_s)
        set_level(config.agent.log_level)
        self._checkup.reconfigure(config)
        self._metrics.reconfigure(config.metrics)
        self._inbox.bound(max_frames=config.limits.inbox_frames, max_bytes=config.limits.inbox_bytes)
        for reconfigure in (
            self._pipeline.reconfigure,
            self._onlookers.reconfigure,
            self._reports.reconfigure,
            self._watch_of_units.reconfigure,
        ):
            self._worker.between_turns(partial(self._whole, partial(reconfigure, config)))
        self._home_assistant.reconfigure(config)
        self._units.bound(most_units(config))
        if (before.broker, before.topics, before.limits) != (config.broker, config.topics, config.limits):
            self._link.reconfigure(config)

    def _whole(self, part: Callable[[], None]) -> None:
        """Do a part of a reload; where it fails the agent ends, and its next start takes the files as a whole.

        Some of it by the old config and some by the new would be told as reloaded, and nobody wrote that one.
        """
        try:
            part()
        except Exception:
            _log.critical("reload failed halfway, the agent ends to start by the files")
            self._events.put(Event.HALF_RELOADED)
            raise

    def _end(self, *, gives_back: bool) -> None:
        self._health.state = STOPPING
        self._notifier.stopping()
        self._guard.run("swap", self._swapper.stop)
        if gives_back:
            # First of all: what comes may take longer than whoever asked will wait.
            self._guard.run("probation", self._probation.close)
        if not self._worker.stop(FINISH_TIMEOUT_S):
            _log.error("frame in hand not finished", waited_s=FINISH_TIMEOUT_S)
        else:
            self._guard.run("onlookers", lambda: self._link.publish(*self._onlookers.close()))
        self._guard.run("reports", lambda: self._link.publish(*self._reports.finish(EVIDENCE_TIMEOUT_S)))
        self._guard.run("trust", lambda: self._link.publish(*self._trust.tick()))
        self._outbox.hold_backlog_back()
        self._units.stop(UNITS_TIMEOUT_S)
        self._health.state, self._health.reason = OFFLINE, STOPPED
        self._guard.run("status", self._publish_status)
        if not self._link.stop(GOODBYE_TIMEOUT_S):
            kept = "in the journal, for the next start" if self._config.journal.enabled else "nowhere: they are lost"
            _log.warning("messages not delivered", n=len(self._outbox), kept=kept)
        if not self._journal.stop(JOURNAL_TIMEOUT_S):
            _log.error("journal not finished", waited_s=JOURNAL_TIMEOUT_S)
        self._guard.run("trust", self._trust.close)
        self._health.link = self._link.state
        self._guard.run("report", self._report)
        self._metrics.close()
        _log.info("agent stopped", **self._gauges())

    def _new_worker(self, heartbeat: Heartbeat) -> Worker:
        return Worker(
            self._inbox,
            self._pipeline,
            self._link,
            heartbeat,
            ladder=self._onlookers.ladder,
            on_fault=lambda: self._health.counters.add("internal_errors"),
            on_end=lambda: self._events.put(Event.WORKER_ENDED),
        )

    def _new_swapper(self, followers: tuple[Follower, ...], lull: Lull) -> Swapper:
        return Swapper(
            self._config,
            SwapParts(self._pipeline, self._inbox, self._health, followers, self._probation),
            self._worker.between_turns,
            on_swap=lambda: self._events.put(Event.SWAPPED),
            wait_for_lull=lull.wait,
        )

    def _listener(self) -> LinkListener:
        return LinkListener(
            on_arrival=self._on_arrival,
            on_change=self._on_link_change,
            birth=lambda: status_message(self._config, self._document()),
            will=lambda: will_message(self._config, self._document()),
            on_fault=lambda: self._health.counters.add(CLOUD_EVENTS_FAULTS),
        )

    def _on_arrival(self, arrival: Arrival) -> None:
        if len(arrival.topic) > LONGEST_TOPIC:
            # Topics are remembered, logged and told of: at up to 64 KiB each, a few hundred would fill the memory.
            self._health.counters.add("frames_received")
            self._health.counters.add(f"frames_refused.{TOPIC_TOO_LONG}")
        elif not self._reports.asks_for_evidence(arrival):
            self._inbox.put(arrival)

    def _publish(self, publication: Publication) -> None:
        self._link.publish(publication)

    def _on_link_change(self, _state: LinkState) -> None:
        self._events.put(Event.LINK_CHANGED)

    def _report(self) -> None:
        gauges = self._gauges()
        self._guard.run("checkup", lambda: self._checkup.refresh(gauges))
        document = self._document()
        self._guard.run("metrics", lambda: self._metrics.give(document, gauges))
        self._guard.run("status_file", lambda: self._status_file.keep(document))

    def _publish_status(self) -> None:
        self._link.publish(*status_messages(self._config, self._document()))

    def _tell_home_assistant(self) -> None:
        self._link.publish(*self._home_assistant.tick(self._health.link.connections))

    def _document(self) -> dict[str, Any]:
        return {**self._health.document(self._gauges()), **self._onlookers.document(self._inbox)}

    def _gauges(self) -> dict[str, int]:
        return {
            "engines": len(self._pipeline.streams),
            "frames_late": self._pipeline.streams.late_frames,
            "inbox_waiting": len(self._inbox),
            "inbox_age_ms": self._inbox.age_ms,
            "inbox_dropped": self._inbox.dropped,
            **{f"inbox_dropped.{reason}": n for reason, n in sorted(self._inbox.dropped_by_reason.items())},
            **self._outbox.gauges(),
            **self._journal.gauges(),
            "unit_write_errors": self._units.write_errors,
            **self._onlookers.gauges(),
            **self._trust.gauges(),
        }

    def _summary(self) -> str:
        link = self._link.state
        where = f"{self._config.broker.host}:{self._config.broker.port}"
        connected = f"connected to {where}" if link.connected else f"waiting for {where} {link.error}".rstrip()
        verdict = self._health.verdict
        health = f"{verdict.health} ({', '.join(verdict.reasons)})" if verdict.reasons else verdict.health
        return f"{health}, {self._health.identity.bundle_id}, {len(self._pipeline.streams)} engines, {connected}"
