"""Checks of the broker: reached, and spoken to exactly as the agent would, under another name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_bytes
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.link import Link
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.outbox import Outbox
from edge_agent.probe import OK, WAITING
from edge_agent.publication import Grade, Publication
from edge_agent.redact import secret_files

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

SUFFIX: Final = "-doctor"
"""Ends the client id: with the agent's own, the broker would hang up on the agent."""

_CREDENTIALS = Path("/run/credentials")
_TCP_TIMEOUT_S = 3.0
_MQTT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 5.0
_LOOK_S = 0.02
_TOKEN_BYTES = 8
_GOODBYE_S = 2.0
_OUTBOX_MESSAGES = 10
_SECOND_TRY_S = 3.0
"""After a failure: the broker may not know MQTT 5, and the agent tries 3.1.1 next."""


def check_broker(config: AgentConfig) -> Iterator[Finding]:
    """A connection, then CONNECT, SUBSCRIBE and a probe as the agent does them.

    What is published goes to the probe's topic alone, where it means nothing to anybody.
    """
    broker = config.broker
    where = f"{broker.host}:{broker.port}"
    try:
        socket.create_connection((broker.host, broker.port), _TCP_TIMEOUT_S).close()
    except (OSError, UnicodeError) as error:
        yield fail("broker", f"{where}: {error}", "start the broker, or correct broker.host and broker.port")
        return
    yield fine("broker", f"{where} takes connections")
    hidden = [path for path in secret_files(config) if not os.access(path, os.R_OK)]
    if hidden:
        yield _not_tried(hidden[0])
        return
    yield _speak(config, where)


def _not_tried(path: Path) -> Finding:
    text = f"not tried: {path} is not there, or not for this user to read"
    if path.is_relative_to(_CREDENTIALS):
        return warn("mqtt", text, "a credential of systemd can be read by the service alone: see `agent`, and its log")
    return fail("mqtt", text, "make the file, or ask as root")


def _speak(config: AgentConfig, where: str) -> Finding:
    states: SimpleQueue[LinkState] = SimpleQueue()
    link = Link(_renamed(config), Outbox(_OUTBOX_MESSAGES), _listener(config, states))
    link.start()
    try:
        state = _settled(states)
        if state.connected and not state.error:
            return _answered(_probed(link), config, where)
    finally:
        link.stop(_GOODBYE_S)
    if not state.connected:
        return fail("mqtt", f"{where}: {state.error or 'no answer'}", "correct [broker], or ask who keeps the broker")
    return fail("mqtt", f"{where}: {state.error}", "correct topics.input, or have the broker allow it")


def _answered(state: LinkState, config: AgentConfig, where: str) -> Finding:
    over = f" over {state.tls}" if state.tls else ""
    text = f"{where} speaks MQTT {state.protocol}{over}, and agrees to topics.input"
    if state.probe == OK:
        return fine("mqtt", f"{text}; a message came back in {state.round_trip_ms:.1f} ms")
    return warn(
        "mqtt",
        f"{text}; no message of ours on {config.probe_topic} came back",
        "have the broker allow us to publish and to read it: that is how a silent link is found out",
    )


def _probed(link: Link) -> LinkState:
    """The state once a probe has come back, or is not expected any more, or time is over."""
    deadline_s = monotonic() + _PROBE_TIMEOUT_S
    while link.state.connected and link.state.probe == WAITING and monotonic() < deadline_s:
        sleep(_LOOK_S)
    return link.state


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
    greeting = Publication(topic=config.probe_topic, payload=token_bytes(_TOKEN_BYTES), grade=Grade.TELEMETRY)
    return LinkListener(on_arrival=lambda _: None, on_change=states.put, birth=lambda: greeting, will=lambda: greeting)


def _renamed(config: AgentConfig) -> AgentConfig:
    return replace(config, broker=replace(config.broker, client_id=f"{config.client_id}{SUFFIX}", session_expiry_s=0))
