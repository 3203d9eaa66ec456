"""The link to the broker: one thread that keeps a connection, for ever, and moves messages both ways.

Each connection has an MQTT client of its own, so nothing of a lost one can linger; what is to be sent waits in the
outbox, which outlives connections.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import structlog

from edge_agent.bell import Bell
from edge_agent.errors import LinkError
from edge_agent.link_state import LinkState
from edge_agent.mqtt import CONNECT_TIMEOUT_S, V5, V311, Connection

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.link_state import LinkListener
    from edge_agent.outbox import Outbox
    from edge_agent.publication import Publication

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_STABLE_S = 10.0
"""A connection that stood this long was good: the next attempt follows at once."""

_log = structlog.get_logger(__name__)


class Link:
    """Connects, reconnects and serves until it is stopped.

    Args:
        config: The agent's config.
        outbox: What is to be published.
        listener: Told of arrivals and changes, in the link's thread.
    """

    def __init__(self, config: AgentConfig, outbox: Outbox, listener: LinkListener) -> None:
        self._config = config
        self._outbox = outbox
        self._listener = listener
        self._bell = Bell()
        self._stopping = threading.Event()
        self._deadline_s = float("inf")
        self._state = LinkState()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    @property
    def state(self) -> LinkState:
        """How the link is."""
        return self._state

    def start(self) -> None:
        """Begin to connect; a broker that is not there is waited for."""
        self._thread.start()

    def publish(self, *publications: Publication) -> None:
        """Queue publications and have them sent as soon as the link stands; never waits."""
        self._outbox.add(*publications)
        self._bell.ring()

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
        self._thread.join(timeout_s + CONNECT_TIMEOUT_S)
        return len(self._outbox) == 0

    def _run(self) -> None:
        backoff_s, version, first = _FIRST_BACKOFF_S, V5, True
        while not self._stopping.is_set():
            config = self._config
            connection = Connection(config, version, self._outbox, self._listener, self._bell, first=first)
            error = self._serve(connection, config)
            first = first and not connection.accepted
            # Every lost connection begins again with version 5: a broker that was restarting must not pin us to 3.1.1.
            version = V311 if version == V5 and connection.version_refused else V5
            backoff_s = _FIRST_BACKOFF_S if connection.stood_s > _STABLE_S else backoff_s
            self._note(LinkState(False, connection.version, self._state.connections, error))
            if self._config is not config:
                backoff_s = _FIRST_BACKOFF_S
                continue
            # Half of it at random, so that a fleet does not come back in step.
            self._stopping.wait(backoff_s * random.uniform(0.5, 1.0))
            backoff_s = min(2.0 * backoff_s, _LONGEST_BACKOFF_S)

    def _serve(self, connection: Connection, config: AgentConfig) -> str:
        """Serve one connection to its end; returns why it ended."""
        try:
            connection.open()
            while connection.turn():
                if connection.subscribed and not self._state.connected:
                    self._note(LinkState(True, connection.version, self._state.connections + 1, connection.error))
                if self._is_done(connection):
                    connection.leave()
                elif self._config is not config:
                    connection.leave(session_expiry_s=config.broker.session_expiry_s)
        except (OSError, LinkError, UnicodeError) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the loop's one catch-all: a fault costs a connection, not the agent
            _log.error("link failed", exc_info=True)
            return f"internal error: {error}"
        finally:
            connection.close()
            self._outbox.rewind()
        return connection.error

    def _is_done(self, connection: Connection) -> bool:
        sent = len(self._outbox) == 0 or not connection.accepted
        return self._stopping.is_set() and (sent or time.monotonic() > self._deadline_s)

    def _note(self, state: LinkState) -> None:
        if state == self._state:
            return
        self._state = state
        if state.connected:
            _log.info("link up", protocol=state.protocol, broker=self._config.broker.host)
        elif state.error:
            _log.warning("link down", error=state.error, broker=self._config.broker.host)
        self._listener.on_change(state)
