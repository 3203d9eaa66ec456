"""The MQTT library's client, made to measure: one connection, bounded packets, errors that are kept."""

from __future__ import annotations

import copy
import functools
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.cloud_events import NONE
from edge_agent.errors import LinkError
from edge_agent.publication import NEVER
from edge_agent.tls import TLS, client_context, explain

if TYPE_CHECKING:
    from edge_agent.broker_section import BrokerSection
    from edge_agent.cloud_events import Attributes
    from edge_agent.config import AgentConfig
    from edge_agent.link_timing import LinkTiming
    from edge_agent.publication import Publication

V5: Final = MQTTProtocolVersion.MQTTv5
V311: Final = MQTTProtocolVersion.MQTTv311
QOS: Final = 1

_KIB = 1024
_ENVELOPE_BYTES = 65 * _KIB
"""What a packet holds beside its payload: a topic (at most 64 KiB), and properties."""

_LONGEST_ANSWER_BYTES = 1_024
"""An answer of the broker is shorter: what is longer is a message."""
_NEVER_S: Final = float("-inf")
_AHEAD_BYTES = 64 * _KIB
"""What is read at once where the library asks for a single byte: it does so four times a message."""


class OneConnectionClient(Client):
    """A client for one connection. It hangs up on a packet that is too long before it takes a byte of it.

    Brokers of version 5 keep such packets from us, as we ask them to in CONNECT. Others send anything, and the library
    would collect it in memory; it has no public place to see the length before, nor to learn why a socket failed.

    Args:
        config: The agent's config.
        version: ``V5`` or ``V311``.
        timing: How long to wait for what.

    Attributes:
        longest: Most bytes of a packet after its length.
        fault: Counter label of what went wrong below MQTT and is not the network's; empty while nothing did.
        complaint: What went wrong below MQTT, for people.
        message_s: Monotonic time at which a part of a long message came last.
    """

    fault = ""
    complaint = ""
    message_s = _NEVER_S

    def __init__(self, config: AgentConfig, version: MQTTProtocolVersion, timing: LinkTiming) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            # In 3.1.1 a kept session never expires, and would bring a frame that is too long again and again.
            clean_session=True if version == V311 else None,
            protocol=version,
            reconnect_on_failure=False,
        )
        self.broker: BrokerSection = config.broker
        self.longest = config.limits.max_payload_bytes + _ENVELOPE_BYTES
        self.connect_timeout = timing.connect_timeout_s
        self.max_inflight_messages_set(0)  # the outbox counts them
        self._ahead = b""
        self._ahead_at = 0
        self.on_socket_open = lambda _client, _data, opened: _set_socket_options(opened, timing.acknowledge_timeout_s)
        # With this callback set, the library leaves all writing to ``loop_write``.
        self.on_socket_register_write = lambda *_: None

    def open(self, *, clean_start: bool) -> None:
        """Open the socket and queue CONNECT; name and password are set before.

        Raises:
            LinkError: The broker cannot be reached, or a file of TLS cannot be read.
        """
        broker = self.broker
        if broker.tls:
            self.tls_set_context(client_context(broker))
        options: dict[str, Any] = {}
        if self.protocol == V5:
            options = {"clean_start": clean_start, "properties": _connect_properties(broker, self.longest)}
        try:
            self.connect(broker.host, broker.port, broker.keepalive_s, **options)
        except (ssl.SSLError, ConnectionResetError) as error:
            # A reset comes from a port that is open: to the handshake, then.
            raise LinkError(TLS, explain(error, broker)) from error
        except (OSError, UnicodeError) as error:
            where, why = f"{broker.host}:{broker.port}", getattr(error, "strerror", None) or str(error)
            raise LinkError(
                "unreachable", f"broker: expected an answer from {where}, got: {why}; check broker.host and broker.port"
            ) from error

    def set_will(self, will: Publication) -> None:
        """Leave a message with the broker, which publishes it when we vanish; before ``open``."""
        self.will_set(will.topic, will.payload, QOS, will.retain, self._properties(PacketTypes.WILLMESSAGE, will))

    def send(self, publication: Publication, attributes: Attributes = NONE) -> int:
        """Queue a message, with ``attributes`` as its user properties (MQTT 5); its packet number."""
        properties = self._properties(PacketTypes.PUBLISH, publication)
        if properties is not None and attributes:
            # A copy of what is cached for all messages of its kind.
            properties = copy.copy(properties)
            properties.UserProperty = list(attributes)
        return self.publish(publication.topic, publication.payload, QOS, publication.retain, properties).mid

    def ask_for(self, *filters: str) -> int:
        """Queue a subscription to what is published from now on; its packet number."""
        if self.protocol == V5:
            options = SubscribeOptions(qos=QOS, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            return self.subscribe([(topic, options) for topic in filters])[1] or 0
        return self.subscribe([(topic, QOS) for topic in filters])[1] or 0

    def give_up(self, *filters: str) -> None:
        """Queue the end of subscriptions: a session that the broker keeps has those of an earlier config, too."""
        self.unsubscribe(list(filters))

    def say_goodbye(self, session_expiry_s: int) -> None:
        """Queue DISCONNECT: the broker keeps the will to itself, and the session (MQTT 5) for so long."""
        if self.protocol != V5:
            self.disconnect()
            return
        properties = _properties_of(PacketTypes.DISCONNECT)
        properties.SessionExpiryInterval = session_expiry_s
        self.disconnect(properties=properties)

    def _properties(self, packet: int, publication: Publication) -> Properties | None:
        if self.protocol != V5:
            return None
        return _message_properties(packet, publication.content_type, publication.expiry_s)

    def pending(self) -> bool:
        """Whether bytes have been read or decrypted that poll(2) does not see any more."""
        return self._ahead_at < len(self._ahead) or self._is_decrypted()

    def _is_decrypted(self) -> bool:
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def tls_version(self) -> str:
        """The version of TLS that is spoken; empty without."""
        return (self._sock.version() or "") if isinstance(self._sock, ssl.SSLSocket) else ""

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        # The library's own leaves the socket open where the handshake fails.
        assert self._ssl_context is not None  # noqa: S101 - for the type checker
        wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(self.connect_timeout)
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        return wrapped

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self.longest:
            self.fault = "too_long"
            self.complaint = (
                f"broker: expected packets of at most {self.longest} bytes, got one of {bufsize}; limit the sender"
            )
            raise OSError(self.complaint)
        data = self._from_ahead(bufsize) or self._receive(bufsize)
        if data and bufsize > _LONGEST_ANSWER_BYTES:
            self.message_s = time.monotonic()
        return data

    def _from_ahead(self, n: int) -> bytes:
        """The next bytes of what was read ahead, at most ``n``."""
        data = self._ahead[self._ahead_at : self._ahead_at + n]
        self._ahead_at += len(data)
        return data

    def _receive(self, n: int) -> bytes:
        """The next bytes of the socket, at most ``n``, and where one is asked for, more for the next calls.

        Each call into the kernel hands the interpreter to the worker and waits to get it back.
        """
        try:
            if n > 1:
                return super()._sock_recv(n)
            self._ahead, self._ahead_at = super()._sock_recv(_AHEAD_BYTES), 0
        except OSError as error:
            self._keep(error)
            raise
        return self._from_ahead(n)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as error:
            self._keep(error)
            # A broker that hangs up may have said why, and that waits to be read; the end is found after it.
            raise BlockingIOError from error

    def _keep(self, error: OSError) -> None:
        if isinstance(error, (BlockingIOError, ssl.SSLEOFError)) or self.fault:
            return
        if isinstance(error, ssl.SSLError):
            self.fault, self.complaint = TLS, explain(error, self.broker)
        else:
            self.complaint = error.strerror or str(error)


def _properties_of(packet: int) -> Properties:
    """An empty set of properties for a type of packet."""
    return Properties(packet)  # type: ignore[no-untyped-call]


def _connect_properties(broker: BrokerSection, longest: int) -> Properties:
    """The properties of CONNECT."""
    properties = _properties_of(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = broker.session_expiry_s
    properties.MaximumPacketSize = longest
    return properties


@functools.lru_cache
def _message_properties(packet: int, content_type: str, expiry_s: int) -> Properties:
    """The properties of a message or will. Cached: building them takes longer than sending the message."""
    properties = _properties_of(packet)
    properties.ContentType = content_type
    if expiry_s != NEVER:
        properties.MessageExpiryInterval = expiry_s
    return properties


def _set_socket_options(opened: Any, timeout_s: float) -> None:
    """Send at once, and have the kernel end a connection whose other end is gone.

    Without the first, Nagle's algorithm would hold a result back until the one before it is acknowledged; without the
    second, the kernel would go on for a quarter of an hour with a connection that we have given up.
    """
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout_s * 1e3))
