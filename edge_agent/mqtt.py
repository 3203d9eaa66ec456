"""One MQTT connection: the only file that knows the MQTT library.

The link's thread makes every call into the library, so nothing here needs a lock. The library's own thread is not
used: to wake itself it opens a TCP port on the loopback interface.
"""

from __future__ import annotations

import functools
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.config import KIB
from edge_agent.credentials import read_password
from edge_agent.errors import LinkError
from edge_agent.inbox import Arrival
from edge_agent.publication import NEVER

if TYPE_CHECKING:
    from edge_agent.bell import Bell
    from edge_agent.config import AgentConfig
    from edge_agent.link_state import LinkListener
    from edge_agent.outbox import Outbox
    from edge_agent.publication import Publication

V5: Final = MQTTProtocolVersion.MQTTv5
V311: Final = MQTTProtocolVersion.MQTTv311
CONNECT_TIMEOUT_S = 5.0

_VERSION_NAMES = {V5: "5", V311: "3.1.1"}
_QOS = 1
_ENVELOPE_BYTES = 65 * KIB
"""What a packet holds beside its payload: a topic (at most 64 KiB), and properties."""
_WINDOW = 20
"""Most messages in flight; the receive maximum of mosquitto."""
_HANDSHAKE_TIMEOUT_S = 10.0
_ACKNOWLEDGE_TIMEOUT_S = 30.0
"""A broker that answers pings and acknowledges nothing for so long is stuck; a new connection may free it."""
_TICK_MS = 1_000
_UNSUPPORTED_PROTOCOL = 0x84

_log = structlog.get_logger(__name__)


class Connection:
    """One connection, from CONNECT to its end. Used by the link's thread alone.

    Args:
        config: The agent's config.
        version: ``V5`` or ``V311``.
        outbox: What is to be published.
        listener: Told of arrivals.
        bell: Rings when there is something to publish.
        first: Whether a session kept by the broker is none of ours.

    Attributes:
        accepted: Whether the broker has accepted us.
        subscribed: Whether it has answered our subscriptions: only from then on do frames come.
        version_refused: Whether the broker knows no such version, as far as one can tell.
        error: Why the connection ended, or was refused, or what is wrong with it.
    """

    def __init__(
        self,
        config: AgentConfig,
        version: MQTTProtocolVersion,
        outbox: Outbox,
        listener: LinkListener,
        bell: Bell,
        *,
        first: bool,
    ) -> None:
        self._config = config
        self._version = version
        self._outbox = outbox
        self._listener = listener
        self._bell = bell
        self._first = first
        self._window = _WINDOW
        self._opened_s = self._accepted_s = self._progress_s = float("inf")
        self._leaving = False
        self._poll = select.poll()
        self._said: set[str] = set()
        self.accepted = False
        self.subscribed = False
        self.version_refused = False
        self.error = ""
        self._client = self._new_client()

    @property
    def version(self) -> str:
        """The protocol version, as people write it."""
        return _VERSION_NAMES[self._version]

    @property
    def stood_s(self) -> float:
        """Seconds since the broker accepted us; 0 when it did not."""
        return time.monotonic() - self._accepted_s if self.accepted else 0.0

    def open(self) -> None:
        """Open the socket and queue CONNECT.

        Raises:
            OSError: The broker cannot be reached.
            LinkError: The password file cannot be read.
        """
        broker = self._config.broker
        if broker.username:
            self._client.username_pw_set(broker.username, read_password(broker.password_file))
        options: dict[str, Any] = {}
        if self._version == V5:
            options = {"clean_start": self._first, "properties": _connect_properties(self._config)}
        self._client.connect(broker.host, broker.port, broker.keepalive_s, **options)
        self._opened_s = time.monotonic()
        # A broker that hangs up on CONNECT without a word does not know this version.
        self.version_refused = True
        self._poll.register(self._bell.fileno(), select.POLLIN)

    def turn(self) -> bool:
        """Send and receive what there is, waiting for it; whether the connection still stands.

        Raises:
            LinkError: The broker does not answer, or acknowledges nothing.
        """
        if self.accepted and not self._leaving:
            self._send_waiting()
        if self._client.want_write():
            self._client.loop_write()
        if not self._wait_and_read():
            return False
        self._client.loop_misc()
        self._check_progress(time.monotonic())
        return self._client.socket() is not None

    def leave(self, *, session_expiry_s: int = 0) -> None:
        """Queue DISCONNECT: the broker keeps the will to itself, and the session (MQTT 5) for so long."""
        if self._leaving:
            return
        self._leaving = True
        if self._version == V5:
            properties = _properties(PacketTypes.DISCONNECT)
            properties.SessionExpiryInterval = session_expiry_s
            self._client.disconnect(properties=properties)
        else:
            self._client.disconnect()

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        opened = self._client.socket()
        if opened is not None:
            opened.close()

    def _new_client(self) -> _CappedClient:
        client = _CappedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._config.client_id,
            # In 3.1.1 a kept session never expires, and would bring a frame that is too long again and again.
            clean_session=True if self._version == V311 else None,
            protocol=self._version,
            reconnect_on_failure=False,
        )
        client.longest = _packet_limit(self._config)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # the outbox counts them
        will = self._listener.will
        properties = self._message_properties(PacketTypes.WILLMESSAGE, will)
        client.will_set(will.topic, will.payload, _QOS, will.retain, properties)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = _set_no_delay
        # With this callback set, the library leaves all writing to ``turn``.
        client.on_socket_register_write = lambda *_: None
        return client

    def _check_progress(self, now_s: float) -> None:
        if not self.accepted and now_s - self._opened_s > _HANDSHAKE_TIMEOUT_S:
            raise LinkError(f"broker: expected an answer within {_HANDSHAKE_TIMEOUT_S} s, got none; check the port")
        if self._outbox.in_flight and now_s - self._progress_s > _ACKNOWLEDGE_TIMEOUT_S:
            raise LinkError(
                f"broker: expected acknowledgements within {_ACKNOWLEDGE_TIMEOUT_S} s, got none; check the broker"
            )

    def _send_waiting(self) -> None:
        if not self._outbox.in_flight:
            self._progress_s = time.monotonic()
        for each in self._outbox.take(self._window):
            properties = self._message_properties(PacketTypes.PUBLISH, each)
            sent = self._client.publish(each.topic, each.payload, _QOS, each.retain, properties)
            self._outbox.sent(sent.mid, each)

    def _message_properties(self, packet: int, publication: Publication) -> Properties | None:
        if self._version != V5:
            return None
        return _message_properties(packet, publication.content_type, publication.expiry_s)

    def _wait_and_read(self) -> bool:
        """Wait for the socket, the bell or the next tick, and read; false when the connection is lost."""
        opened = self._client.socket()
        if opened is None:
            return False
        self._poll.register(opened.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        ready = dict(self._poll.poll(_TICK_MS))
        if self._bell.fileno() in ready:
            self._bell.silence()
        readable = ready.get(opened.fileno(), 0) & ~select.POLLOUT
        return not readable or self._client.loop_read() == 0

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        self.version_refused = reason.value == _UNSUPPORTED_PROTOCOL
        if reason.is_failure:
            self.error = f"broker refused the connection: {reason}"
            return
        self.accepted = True
        self._accepted_s = time.monotonic()
        self._window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        filters = self._config.subscriptions
        if self._version == V5:
            options = SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            client.subscribe([(topic, options) for topic in filters])
        else:
            client.subscribe([(topic, _QOS) for topic in filters])
        self._outbox.add_first(self._listener.birth())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not self._leaving and (self.subscribed or not self.error):
            hung_up = f"connection ended: {reason}" if self.accepted else f"broker hung up on MQTT {self.version}"
            self.error = self._client.complaint or hung_up

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        received_ns = time.monotonic_ns()
        self._listener.on_arrival(Arrival(_topic(message), bytes(message.payload), received_ns, message.retain))

    def _on_publish(self, _client: Client, _data: Any, number: int, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure and str(reason) not in self._said:
            self._said.add(str(reason))
            _log.error("broker refused a message", error=str(reason))
        self._outbox.acknowledge(number)
        self._progress_s = time.monotonic()

    def _on_subscribe(self, _client: Client, _data: Any, _number: int, reasons: Any, _properties: Any) -> None:
        refused = [t for t, reason in zip(self._config.subscriptions, reasons, strict=True) if reason.is_failure]
        if refused:
            self.error = f"broker refused the subscription to {', '.join(refused)}"
            _log.error("broker refused a subscription", topics=refused)
        self.subscribed = True


class _CappedClient(Client):
    """A client that hangs up on a packet that is too long, before it takes a byte of it.

    Brokers of version 5 keep such packets from us, as we ask them to in CONNECT. Others send anything, and the library
    would collect it in memory; it has no public place to see the length before.
    """

    longest = 0
    complaint = ""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self.longest:
            self.complaint = f"broker sent {bufsize} bytes at once, expected at most {self.longest}; limit the sender"
            raise OSError(self.complaint)
        return super()._sock_recv(bufsize)


def _packet_limit(config: AgentConfig) -> int:
    return config.limits.max_payload_bytes + _ENVELOPE_BYTES


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _connect_properties(config: AgentConfig) -> Properties:
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = config.broker.session_expiry_s
    properties.MaximumPacketSize = _packet_limit(config)
    return properties


@functools.lru_cache
def _message_properties(packet: int, content_type: str, expiry_s: int) -> Properties:
    # Cached: building them takes longer than sending the message.
    properties = _properties(packet)
    properties.ContentType = content_type
    if expiry_s != NEVER:
        properties.MessageExpiryInterval = expiry_s
    return properties


def _set_no_delay(_client: Client, _data: Any, opened: Any) -> None:
    # Nagle's algorithm would hold a result back until the one before it is acknowledged.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""
