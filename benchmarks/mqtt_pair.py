"""Two MQTT connections, a sensor's and a listener's, served by the calling thread alone."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.agent import AGENT
from benchmarks.errors import BenchmarkError
from edge_agent.frame import NS_PER_S
from edge_agent.health import ONLINE
from edge_agent.result import Result, decode_result
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import TopicsSection

if TYPE_CHECKING:
    from ground.publish import Broker

_TOPICS = TopicsSection()
FRAMES = TopicTemplate(_TOPICS.input[-1])
RESULTS = TopicTemplate(_TOPICS.result)
STATUS = TopicTemplate(_TOPICS.status).fill(agent=AGENT)
QOS = 1
_KEEPALIVE_S = 60
_CONNECT_TIMEOUT_S = 10.0
_LONGEST_WAIT_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Receipt:
    """A result and the monotonic time at which it was received."""

    received_ns: int
    result: Result


class MqttPair:
    """Publishes frames on one connection and receives results on another.

    Neither uses a thread: on a machine of two cores a busy thread here would be latency of the agent there. Messages
    move while the caller is in ``serve_until``.
    """

    def __init__(self, sensor: Client, listener: Client) -> None:
        self._sensor = sensor
        self._listener = listener
        self._receipts: list[Receipt] = []
        self._agent_online = False
        listener.on_message = self._on_message

    @property
    def agent_online(self) -> bool:
        """Whether the agent has said that it listens."""
        return self._agent_online

    @property
    def received(self) -> int:
        """Results received since the last ``take_receipts``."""
        return len(self._receipts)

    def take_receipts(self) -> list[Receipt]:
        """The results received since the last call, in order of arrival."""
        taken, self._receipts = self._receipts, []
        return taken

    def publish(self, aircraft: str, engine: str, payload: bytes) -> None:
        """Send a frame; what the socket does not take at once goes out in ``serve_until``."""
        self._sensor.publish(FRAMES.fill(aircraft=aircraft, engine=engine), payload, QOS)

    def subscribe(self) -> None:
        """Ask for results and for the agent's status."""
        self._listener.subscribe([(RESULTS.filter, QOS), (STATUS, QOS)])

    def serve_until(self, due_ns: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Move messages until the monotonic time ``due_ns``, or until ``done``; gives ``done()``.

        Raises:
            BenchmarkError: A connection was lost.
        """
        while not done():
            left_ns = due_ns - time.monotonic_ns()
            if left_ns <= 0:
                return done()
            self._turn(min(left_ns, _LONGEST_WAIT_NS) / NS_PER_S)
        return True

    def is_connected(self) -> bool:
        """Whether the broker has accepted both connections."""
        return self._sensor.is_connected() and self._listener.is_connected()

    def _turn(self, wait_s: float) -> None:
        clients = {_socket_of(client): client for client in (self._sensor, self._listener)}
        writers = [opened for opened, client in clients.items() if client.want_write()]
        readable, writable, _ = select.select(list(clients), writers, [], wait_s)
        for opened in readable:
            clients[opened].loop_read()
        for opened in writable:
            clients[opened].loop_write()
        for client in clients.values():
            client.loop_misc()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        received_ns = time.monotonic_ns()
        if message.topic == STATUS:
            self._agent_online = json.loads(message.payload)["state"] == ONLINE
        else:
            self._receipts.append(Receipt(received_ns, decode_result(bytes(message.payload))))


def due_in(seconds: float) -> int:
    """The monotonic time, ns, that many seconds from now."""
    return time.monotonic_ns() + round(seconds * NS_PER_S)


@contextmanager
def connected_pair(broker: Broker) -> Iterator[MqttPair]:
    """Connect, subscribe to results and status, and disconnect in the end.

    Raises:
        BenchmarkError: The broker does not accept the connections.
    """
    pair = MqttPair(sensor := _connected(broker), listener := _connected(broker))
    try:
        if not pair.serve_until(due_in(_CONNECT_TIMEOUT_S), pair.is_connected):
            raise BenchmarkError(f"{broker.host}:{broker.port}: expected an MQTT broker, got no answer; see its log")
        pair.subscribe()
        yield pair
    finally:
        for client in (sensor, listener):
            client.disconnect()


def _connected(broker: Broker) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_socket_open = set_no_delay
    client.connect(broker.host, broker.port, _KEEPALIVE_S)
    return client


def set_no_delay(_client: Client, _data: Any, opened: Any) -> None:
    """Have a client's socket send at once: its ``on_socket_open``."""
    # Nagle's algorithm would hold a frame back until the one before it is acknowledged: up to 40 ms that are not the
    # agent's.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _socket_of(client: Client) -> Any:
    opened = client.socket()
    if opened is None:
        raise BenchmarkError("broker: expected it to keep its connections, got a closed one; see its log")
    return opened
