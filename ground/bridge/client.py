"""An MQTT connection of a bridge: the library's own thread keeps it, what comes is queued for one other thread."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ground.bridge.config import BrokerConfig
from ground.bridge.node import Message
from ground.errors import ConfigError, GroundError

MQTT_PORT: Final = 1883
MQTTS_PORT: Final = 8883
KEEPALIVE_S: Final = 30
_FIRST_WAIT_S: Final = 1
_LONGEST_WAIT_S: Final = 30
_MOST_WAITING: Final = 10_000
"""Messages that have come and were not carried yet; as many that wait for a broker."""
_SERVER_UNAVAILABLE: Final = 0x88


class BridgeError(GroundError):
    """A broker cannot be reached, or refuses the bridge."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, and the side of the bridge on which it came."""

    side: str
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection was made, or made anew."""

    side: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection was lost, or refused with a reason that trying again does not mend."""

    side: str
    text: str
    is_refused: bool


Event = Arrived | Connected | Ended


class BridgeClient:
    """One side of a bridge.

    Args:
        side: Its name in events and errors: the section of the config.
        broker: Where to.
        client_id: As the broker knows it.
        filters: What to subscribe to at each connection.
        events: Where events go.

    Attributes:
        overflowed: Messages for which there was no room, on their way in or out.
    """

    def __init__(
        self, side: str, broker: BrokerConfig, *, client_id: str, filters: Sequence[str], events: SimpleQueue[Event]
    ) -> None:
        self._side = side
        self._broker = broker
        self._filters = [(each, 1) for each in filters]
        self._events = events
        self.overflowed = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311, clean_session=True
        )
        self._client.reconnect_delay_set(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.max_queued_messages_set(_MOST_WAITING)
        if broker.username:
            self._client.username_pw_set(broker.username, _password(side, broker))

    def open(self, will: Callable[[], Message] | None = None) -> None:
        """Connect, and keep connecting.

        Args:
            will: Gives what the broker publishes when the connection is lost; asked once for each CONNECT.

        Raises:
            BridgeError: The broker is not there at the beginning, or the files of TLS cannot be read.
        """
        if will is not None:
            # Not before the socket is open: an attempt that sends no CONNECT takes no number.
            self._client.on_socket_open = lambda client, _data, _socket: _leave_will(client, will())
        host, port = self._broker.host, self._broker.port or (MQTTS_PORT if self._broker.ca else MQTT_PORT)
        try:
            if self._broker.ca:
                self._client.tls_set_context(_tls(self._broker))
            self._client.connect(host, port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise BridgeError(
                f"{self._side}: expected a broker at {host}:{port}, got {error}; check host, port and ca"
            ) from error
        self._client.loop_start()

    def send(self, messages: Sequence[Message], *, qos: int) -> None:
        """Publish messages in their order; while there is no connection those of QoS 1 wait, others are dropped."""
        for message in messages:
            code = self._client.publish(message.topic, message.payload, qos).rc
            self.overflowed += code == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE

    def close(self, last: Sequence[Message] = (), *, qos: int = 0) -> None:
        """Say what is left to say, and goodbye; where the connection is lost meanwhile, the will says it."""
        # What paho raises then.
        with suppress(RuntimeError, ValueError):
            for message in last if self._client.is_connected() else ():
                self._client.publish(message.topic, message.payload, qos).wait_for_publish(KEEPALIVE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            is_refused = reason.value != _SERVER_UNAVAILABLE
            self._events.put(Ended(self._side, f"expected to be let in, got {reason}", is_refused=is_refused))
            return
        if self._filters:
            client.subscribe(self._filters)
        self._events.put(Connected(self._side))

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._events.put(Ended(self._side, str(reason), is_refused=False))

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [name for (name, _), reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        if refused:
            text = f"expected to read {', '.join(refused)}, got a refusal"
            self._events.put(Ended(self._side, text, is_refused=True))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic = message._topic.decode("utf-8", "replace")  # noqa: SLF001 - ``topic`` raises on what is no UTF-8
        if self._events.qsize() < _MOST_WAITING:
            self._events.put(Arrived(self._side, topic, bytes(message.payload)))
        else:
            self.overflowed += 1


def _leave_will(client: mqtt.Client, will: Message) -> None:
    client.will_set(will.topic, will.payload, qos=1)


def _tls(broker: BrokerConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=broker.ca)
    if broker.certificate:
        context.load_cert_chain(broker.certificate, broker.key)
    return context


def _password(side: str, broker: BrokerConfig) -> str:
    if broker.password_file is None:
        return ""
    try:
        return broker.password_file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{side}.password_file: expected a readable text, got {broker.password_file}: {error}; correct it"
        ) from error
