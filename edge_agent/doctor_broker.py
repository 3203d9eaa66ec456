"""Checks of the broker: reached, and spoken to exactly as the agent would, under another name."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from edge_agent.credentials import is_readable_secret
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.link import Link
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.outbox import Outbox
from edge_agent.publication import JSON, Grade, Publication

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

SUFFIX: Final = "-doctor"
"""Ends the client id: with the agent's own, the broker would hang up on the agent."""

_TCP_TIMEOUT_S = 3.0
_MQTT_TIMEOUT_S = 10.0
_GOODBYE_S = 2.0
_OUTBOX_MESSAGES = 10
_SECOND_TRY_S = 3.0
"""After a failure: the broker may not know MQTT 5, and the agent tries 3.1.1 next."""


def check_broker(config: AgentConfig) -> Iterator[Finding]:
    """A connection, then CONNECT and SUBSCRIBE as the agent does them.

    Publishes one message, not retained, below the status topic: whether we may publish is worth knowing, too.
    """
    broker = config.broker
    where = f"{broker.host}:{broker.port}"
    try:
        socket.create_connection((broker.host, broker.port), _TCP_TIMEOUT_S).close()
    except (OSError, UnicodeError) as error:
        yield fail("broker", f"{where}: {error}", "start the broker, or correct broker.host and broker.port")
        return
    yield fine("broker", f"{where} takes connections")
    if not is_readable_secret(broker.password_file):
        yield warn(
            "mqtt",
            f"not tried: {broker.password_file} cannot be read by this user",
            "ask as root; a credential of systemd can be read by the service alone: see `agent` and its log",
        )
        return
    yield _speak(config, where)


def _speak(config: AgentConfig, where: str) -> Finding:
    states: SimpleQueue[LinkState] = SimpleQueue()
    link = Link(_renamed(config), Outbox(_OUTBOX_MESSAGES), _listener(config, states))
    link.start()
    try:
        state = _settled(states)
    finally:
        link.stop(_GOODBYE_S)
    if not state.connected:
        return fail("mqtt", f"{where}: {state.error or 'no answer'}", "correct [broker], or ask who keeps the broker")
    if state.error:
        return fail("mqtt", f"{where}: {state.error}", "correct topics.input, or have the broker allow it")
    return fine("mqtt", f"{where} speaks MQTT {state.protocol}, and agrees to topics.input")


def _settled(states: SimpleQueue[LinkState]) -> LinkState:
    """The state once the link stands, or time is over."""
    state, wait_s = LinkState(), _MQTT_TIMEOUT_S
    while not state.connected:
        try:
            state = states.get(timeout=wait_s)
        except Empty:
            break
        wait_s = _SECOND_TRY_S
    return state


def _listener(config: AgentConfig, states: SimpleQueue[LinkState]) -> LinkListener:
    # Neither of them may be taken for the agent's status.
    greeting = Publication(
        topic=f"{config.status_topic}/doctor",
        payload=json.dumps({"agent": config.agent.id, "asks": "doctor"}).encode(),
        content_type=JSON,
        grade=Grade.TELEMETRY,
    )
    return LinkListener(on_arrival=lambda _: None, on_change=states.put, birth=lambda: greeting, will=greeting)


def _renamed(config: AgentConfig) -> AgentConfig:
    return replace(config, broker=replace(config.broker, client_id=f"{config.client_id}{SUFFIX}", session_expiry_s=0))
