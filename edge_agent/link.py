"""The link to the broker: one thread that keeps a connection, for ever, and moves messages both ways.

Each connection has an MQTT client of its own, so nothing of a lost one can linger; what is to be sent waits in the
outbox, which outlives connections.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from edge_agent.backoff import Backoff, spread
from edge_agent.bell import Bell
from edge_agent.errors import LinkError
from edge_agent.link_state import Ending, LinkState
from edge_agent.link_timing import LinkTiming
from edge_agent.mqtt import HUNG_UP, Connection
from edge_agent.mqtt_client import V5, V311
from edge_agent.probe import Probe
from edge_agent.reason_codes import SESSION_TAKEN_OVER_LABEL

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.link_state import LinkListener
    from edge_agent.outbox import Outbox
    from edge_agent.publication import Publication

_USUAL_TIMING = LinkTiming()
_HANG_UPS = 2
"""So many in a row, and the broker is taken for one that does not know MQTT 5: one may be the network's."""
_BY_BROKER = frozenset({"lost", "ended"})
"""Ends of a connection that are the broker's, for all one can tell; not ours, as for a reload."""

_log = structlog.get_logger(__name__)


class Link:
    """Connects, reconnects and serves until it is stopped.

    Args:
        config: The agent's config.
        outbox: What is to be published.
        listener: Told of arrivals and changes, in the link's thread.
        timing: How long to wait for what.
    """

    def __init__(
        self, config: AgentConfig, outbox: Outbox, listener: LinkListener, timing: LinkTiming = _USUAL_TIMING
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._listener = listener
        self._bell = Bell()
        self._stopping = threading.Event()
        self._deadline_s = float("inf")
        self._state = LinkState()
        self._timing = timing
        self._backoff = Backoff(timing.first_backoff_s, timing.longest_backoff_s)
        self._probe = Probe(interval_s=config.broker.probe_interval_s, timeout_s=timing.probe_timeout_s)
        self._asked: frozenset[str] = frozenset()
        self._is_first = True
        self._n_hung_up = 0
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    @property
    def state(self) -> LinkState:
        """How the link is."""
        return self._state

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to connect; a broker that is not there is waited for."""
        self._thread.start()

    def publish(self, *publications: Publication) -> None:
        """Queue publications and have them sent as soon as the link stands; never waits."""
        self._outbox.add(*publications)
        self._bell.ring()

    def hand_over(self, timeout_s: float) -> None:
        """Leave the interpreter to the link, if it stands, until it has sent what was published or found no room."""
        if self._state.connected:
            self._bell.wait_for_answer(timeout_s)

    def reconfigure(self, config: AgentConfig) -> None:
        """Connect anew by another config; the broker keeps the session, and what waits goes out afterwards."""
        self._config = config
        self._bell.ring()

    def stop(self, timeout_s: float) -> bool:
        """Send what waits if the link stands, say goodbye, and end the thread.

        Returns:
            Whether everything was acknowledged.
        """
        self._deadline_s = time.monotonic() + timeout_s
        self._stopping.set()
        self._bell.ring()
        self._thread.join(timeout_s + self._timing.longest_block_s)
        return len(self._outbox) == 0

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect_for_ever()
            except Exception as error:  # noqa: BLE001 - nobody would miss this thread: it must not end before the agent
                _log.error("link failed", exc_info=True)
                self._note_fault(error)
                self._stopping.wait(self._backoff.next_s())

    def _connect_for_ever(self) -> None:
        version = V5
        while not self._stopping.is_set():
            config = self._config
            self._probe.interval_s = config.broker.probe_interval_s
            wanted = frozenset(config.subscriptions)
            self._asked |= wanted
            connection = Connection(
                config, version, self._outbox, self._listener, self._bell,
                probe=self._probe, timing=self._timing, first=self._is_first, unwanted=self._asked - wanted,
            )  # fmt: skip
            ending = self._serve(connection, config)
            self._is_first = self._is_first and not connection.accepted
            if connection.subscribed:
                self._asked = wanted
            falls_back = version == V5 and self._is_refused(connection, ending)
            if version == V311 and ending.reason == HUNG_UP:
                # On both, so it is not the version.
                self._n_hung_up = 0
            # Every lost connection begins again with version 5: a broker that was restarting must not pin us to 3.1.1.
            version = V311 if falls_back else V5
            self._count_end(connection, ending)
            if not falls_back:
                self._note_down(connection, ending)
                self._pause(connection, ending, config)

    def _is_refused(self, connection: Connection, ending: Ending) -> bool:
        """Whether the broker does not know MQTT 5, in which this attempt was made, as far as one can tell."""
        # Of one that is silent, or that cannot be reached, one cannot.
        self._n_hung_up = self._n_hung_up + 1 if ending.reason == HUNG_UP else 0
        return connection.version_refused or self._n_hung_up >= _HANG_UPS

    def _serve(self, connection: Connection, config: AgentConfig) -> Ending:
        """Serve one connection to its end; returns how it ended."""
        try:
            connection.open()
            while connection.turn():
                self._note_standing(connection)
                if self._is_done(connection):
                    connection.leave()
                elif self._config is not config:
                    connection.leave(session_expiry_s=config.broker.session_expiry_s)
        except LinkError as error:
            return Ending(reason=error.reason, text=str(error))
        except Exception as error:  # noqa: BLE001 - the loop's one catch-all: a fault costs a connection, not the agent
            _log.error("link failed", exc_info=True)
            return _fault(error)
        finally:
            connection.close()
            self._outbox.rewind()
        return connection.ending

    def _pause(self, connection: Connection, ending: Ending, config: AgentConfig) -> None:
        """Wait until the next attempt is due."""
        if ending.reason == SESSION_TAKEN_OVER_LABEL:
            # Two agents of one name would drive each other out as fast as they can connect.
            self._stopping.wait(spread(self._timing.taken_over_backoff_s))
            return
        if self._config is not config or (connection.stood_s > self._timing.stable_s and ending.reason != "silent"):
            self._backoff.reset()
        if self._config is config:
            self._stopping.wait(self._backoff.next_s())

    def _is_done(self, connection: Connection) -> bool:
        sent = len(self._outbox) == 0 or not connection.accepted
        return self._stopping.is_set() and (sent or time.monotonic() > self._deadline_s)

    def _note_standing(self, connection: Connection) -> None:
        state, probe = self._state, self._probe
        if (state.probe, state.round_trip_ms) != (probe.state, probe.round_trip_ms):
            # No change that anybody is woken for: it is read at the next report.
            self._state = state = replace(state, probe=probe.state, round_trip_ms=probe.round_trip_ms)
        if not connection.subscribed or state.connected:
            return
        self._note(
            replace(
                state,
                connected=True,
                protocol=connection.version,
                tls=connection.tls,
                connections=state.connections + 1,
                sessions_lost=state.sessions_lost + connection.session_lost,
                error=connection.refusal,
            )
        )

    def _count_end(self, connection: Connection, ending: Ending) -> None:
        by_broker = ending is connection.ending and ending.reason.partition(".")[0] in _BY_BROKER
        self._probe.end(time.monotonic(), hung_up=by_broker)
        self._count(ending)

    def _count(self, ending: Ending) -> None:
        ends = dict(self._state.ends)
        if ending.reason:
            ends[ending.reason] = ends.get(ending.reason, 0) + 1
        self._state = replace(self._state, ends=ends)

    def _note_fault(self, error: Exception) -> None:
        # Not told to the listener, which may be what failed: the next report reads it.
        ending = _fault(error)
        self._count(ending)
        self._state = replace(self._state, connected=False, error=ending.text, tls="")

    def _note_down(self, connection: Connection, ending: Ending) -> None:
        state = replace(
            self._state,
            connected=False, protocol=connection.version, error=ending.text, tls="",
            probe=self._probe.state, probe_failures=self._probe.failures,
        )  # fmt: skip
        self._note(state)

    def _note(self, state: LinkState) -> None:
        if state == self._state:
            return
        self._state = state
        if state.connected:
            _log.info("link up", protocol=state.protocol, tls=state.tls, broker=self._config.broker.host)
        elif state.error:
            _log.warning("link down", error=state.error, broker=self._config.broker.host)
        self._listener.on_change(state)


def _fault(error: Exception) -> Ending:
    return Ending(reason="internal", text=f"internal error: {error}")
