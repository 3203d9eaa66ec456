"""The collector's connection: a shared subscription whose messages are acknowledged by hand."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.publication import MSGPACK, Publication
from ground.errors import GroundError
from ground.fleet.collect.lenient_client import LenientClient

QOS: Final = 1
MOST_UNACKNOWLEDGED: Final = 65_535
SESSION_EXPIRY_S: Final = 7 * 24 * 3_600
"""A broker keeps what comes for a collector that is away so long, if it is told to keep so much."""
_KEEPALIVE_S = 30
_FINAL = frozenset((0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x8F, 0x9D, 0x9E, 0xA2))
"""Reason codes (MQTT 5.0, section 2.4) that trying again does not change: of protocol, name, password, rights, a ban,
the method, the filters, another address, shared subscriptions, wildcards."""


class CollectError(GroundError):
    """The broker cannot be reached, or does not let the collector in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker, and how to get in.

    Attributes:
        host: Its name or address.
        port: Its port.
        username: Empty for none.
        password: With a username.
        ca: File of the certificates that may vouch for the broker; empty for no TLS.
        certificate: File of the own certificate, where the broker asks for one.
        key: File of its key.
    """

    host: str
    port: int
    username: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that has come and is not acknowledged yet.

    Attributes:
        number: Its packet number, of the connection of ``era``; 0 where the broker awaits no acknowledgement (QoS 0).
        era: Counts connections: after another one the broker sends it once more.
        message: What it says.
    """

    number: int
    era: int
    message: Publication


class Intake:
    """The connection of one collector.

    Args:
        broker: Where to.
        name: Of the collector: its session at the broker is kept by it.
        filters: What to subscribe to.
        group: Collectors of one group share what comes.
        on_subscribed: Called each time the broker has subscribed the collector.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        name: str,
        filters: Sequence[str],
        group: str,
        on_subscribed: Callable[[], object],
    ) -> None:
        self._broker = broker
        self._on_subscribed = on_subscribed
        self._filters = [f"$share/{group}/{each}" for each in filters]
        self._taken: list[Taken] = []
        self._era = 0
        self._refused = self._why = ""
        self.connected = False
        self._client = LenientClient(
            CallbackAPIVersion.VERSION2,
            client_id=f"enginear-collector-{name}",
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)

    def open(self) -> None:
        """Connect; what the broker has kept for this collector comes first.

        Raises:
            CollectError: It is not there, or the files of TLS cannot be read.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = MOST_UNACKNOWLEDGED
        self._why = ""
        try:
            self._secure()
            self._client.connect(
                self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=False, properties=properties
            )
        except (OSError, ValueError) as error:
            raise CollectError(f"{self._where}: expected a broker, got {error}; check --broker and --ca") from error

    def turn(self, timeout_s: float) -> bool:
        """Send and receive; whether the connection stands.

        Raises:
            CollectError: The broker refuses the collector, or its subscriptions, and trying again does not change it.
        """
        code = self._client.loop(timeout_s)
        if self._refused:
            raise CollectError(self._refused)
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return True
        self._why = self._why or mqtt.error_string(code).rstrip(".")
        return False

    @property
    def loss(self) -> str:
        """Why the connection does not stand, for people."""
        return f"{self._where}: expected the connection to stand, got {self._why}; it is tried again"

    @property
    def n_taken(self) -> int:
        """Messages that have come since the last ``take``."""
        return len(self._taken)

    def take(self) -> list[Taken]:
        """What has come since the last call."""
        taken, self._taken = self._taken, []
        return taken

    def acknowledge(self, taken: Iterable[Taken]) -> None:
        """Let the broker forget messages that are on disk."""
        for each in taken:
            # A broker closes the connection on one that it does not await.
            if each.number and each.era == self._era:
                self._client.ack(each.number, QOS)

    def publish(self, message: Publication) -> None:
        """Send a message of the collector's own; without a connection it waits for one."""
        self._client.publish(message.topic, message.payload, QOS)

    def flush(self) -> None:
        """Hand what is to be sent to the kernel."""
        while self.connected and self._client.want_write() and not self._client.loop_write():
            pass

    def close(self) -> None:
        """Say goodbye; the broker keeps the session."""
        properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._client.disconnect(properties=properties)
        self.flush()

    @property
    def _where(self) -> str:
        return f"{self._broker.host}:{self._broker.port}"

    def _secure(self) -> None:
        if self._broker.ca and self._era == 0 and self._client._ssl_context is None:  # noqa: SLF001 - set it once only
            context = ssl.create_default_context(cafile=self._broker.ca)
            if self._broker.certificate:
                context.load_cert_chain(self._broker.certificate, self._broker.key or None)
            self._client.tls_set_context(context)

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.value in _FINAL:
            self._refused = (
                f"{self._where}: expected to be let in, got {reason}; "
                "check --username, --password-file and the broker's rules"
            )
        if reason.is_failure:
            self._why = str(reason)
            return
        self.connected = True
        client.subscribe([(each, QOS) for each in self._filters])

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = self._why or str(reason)
        self.connected = False
        self._era += 1

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _number: Any, reasons: Sequence[ReasonCode], _properties: Any
    ) -> None:
        refused = [each for each in zip(self._filters, reasons, strict=False) if each[1].is_failure]
        final = [name for name, reason in refused if reason.value in _FINAL]
        if final:
            self._refused = (
                f"{self._where}: expected to read {', '.join(final)}, got a refusal; "
                "allow this user to in the broker's rules"
            )
        elif refused:
            self._why = f"{refused[0][1]} for {refused[0][0]}"
            client.disconnect()
        else:
            self._on_subscribed()

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        content_type = getattr(message.properties, "ContentType", MSGPACK)
        # A topic that is no UTF-8 is kept as it can be: the dataset takes texts.
        topic = message._topic.decode("utf-8", "replace")  # noqa: SLF001 - ``topic`` raises on such ones
        publication = Publication(topic=topic, payload=bytes(message.payload), content_type=content_type)
        self._taken.append(Taken(message.mid, self._era, publication))
