"""One MQTT connection: with mqtt_client.py, which it makes use of, the only file that knows the MQTT library.

The link's thread makes every call into the library, so nothing here needs a lock. The library's own thread is not
used: to wake itself it opens a TCP port on the loopback interface.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.cloud_events import CloudEvents, bytes_of
from edge_agent.credentials import read_password
from edge_agent.errors import LinkError
from edge_agent.inbox import Arrival
from edge_agent.link_state import Ending
from edge_agent.link_watchdog import LinkWatchdog
from edge_agent.mqtt_client import V5, V311, OneConnectionClient
from edge_agent.publication import Publication
from edge_agent.reason_codes import KEEP_ALIVE_TIMEOUT, PROTOCOL_ERROR, UNSUPPORTED_PROTOCOL, advice, label

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_agent.bell import Bell
    from edge_agent.config import AgentConfig
    from edge_agent.link_state import LinkListener
    from edge_agent.link_timing import LinkTiming
    from edge_agent.outbox import Outbox
    from edge_agent.probe import Probe

_VERSION_NAMES = {V5: "5", V311: "3.1.1"}
_WINDOW = 20
"""Most messages in flight; the receive maximum of mosquitto."""
_FIXED_BYTES: Final = 32
"""Of a PUBLISH packet beside its texts and payload: type, lengths, number and properties."""
HUNG_UP: Final = "hung_up"
"""The end before any answer, without a word."""
_NOT_ENDED: Final = Ending(reason="", text="")

_LOSSES = {
    KEEP_ALIVE_TIMEOUT: Ending(
        reason="ping_unanswered", text="broker: expected an answer to our ping, got none; check the network"
    ),
    PROTOCOL_ERROR: Ending(
        reason="protocol", text="broker: expected packets of MQTT, got something else; check broker.port"
    ),
}

_MOST_SAID: Final = 64
"""Topics that are named in the log when the broker refuses them, a connection."""

_log = structlog.get_logger(__name__)


class Connection:
    """One connection, from CONNECT to its end. Used by the link's thread alone.

    Args:
        config: The agent's config.
        version: ``V5`` or ``V311``.
        outbox: What is to be published.
        listener: Told of arrivals.
        bell: Rings when there is something to publish.
        probe: Tells whether messages pass.
        timing: How long to wait for what.
        first: Whether a session kept by the broker is none of ours.
        unwanted: Topic filters that the session may still have, from before a reload.

    Attributes:
        accepted: Whether the broker has accepted us.
        subscribed: Whether it has answered our subscriptions: only from then on do frames come.
        session_lost: Whether it has forgotten our session.
        version_refused: Whether the broker says that it knows no such version.
        ending: Why the connection ended, or was refused.
        refusal: Which subscriptions were refused; empty where none was.
    """

    def __init__(
        self,
        config: AgentConfig,
        version: MQTTProtocolVersion,
        outbox: Outbox,
        listener: LinkListener,
        bell: Bell,
        *,
        probe: Probe,
        timing: LinkTiming,
        first: bool,
        unwanted: Collection[str] = (),
    ) -> None:
        self._config = config
        self._version = version
        self._outbox = outbox
        self._listener = listener
        self._bell = bell
        self._probe = probe
        self._timing = timing
        self._first = first
        self._unwanted = unwanted
        self._window = _WINDOW
        self._longest = float("inf")
        self._accepted_s = float("inf")
        self._probe_subscription = 0
        self._watchdog = LinkWatchdog(timing, probe)
        self._leaving = False
        self._poll = select.poll()
        self._said: set[str] = set()
        self._cloud_events = CloudEvents(config, listener.on_fault)
        self.accepted = False
        self.subscribed = False
        self.session_lost = False
        self.version_refused = False
        self.ending = _NOT_ENDED
        self.refusal = ""
        self._client = OneConnectionClient(config, version, timing)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    @property
    def version(self) -> str:
        """The protocol version, as people write it."""
        return _VERSION_NAMES[self._version]

    @property
    def tls(self) -> str:
        """The version of TLS; empty without."""
        return self._client.tls_version()

    @property
    def stood_s(self) -> float:
        """Seconds since the broker accepted us; 0 when it did not."""
        return time.monotonic() - self._accepted_s if self.accepted else 0.0

    def open(self) -> None:
        """Open the socket and queue CONNECT.

        Raises:
            LinkError: The broker cannot be reached, or a file of the config cannot be read.
        """
        broker = self._config.broker
        if broker.username:
            self._client.username_pw_set(broker.username, read_password(broker.password_file))
        self._client.set_will(self._listener.will())
        self._client.open(clean_start=self._first)
        self._watchdog.opened(time.monotonic())
        self._poll.register(self._bell.fileno(), select.POLLIN)

    def turn(self) -> bool:
        """Send and receive what there is, waiting for it; whether the connection still stands.

        Raises:
            LinkError: The broker does not answer, acknowledges nothing, or is silent.
        """
        self._write()
        if not self._wait_and_read():
            return False
        self._client.loop_misc()
        self._probe.heard(self._client.message_s)
        self._watchdog.check(time.monotonic(), unacknowledged=self._outbox.in_flight + self._probe.in_flight)
        return self._client.socket() is not None

    def leave(self, *, session_expiry_s: int = 0) -> None:
        """Queue DISCONNECT: the broker keeps the will to itself, and the session (MQTT 5) for so long."""
        if not self._leaving:
            self._leaving = True
            self._client.say_goodbye(session_expiry_s)

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        opened = self._client.socket()
        if opened is not None:
            opened.close()

    def _write(self) -> None:
        if self.accepted and not self._leaving:
            self._send_waiting()
        if self._client.want_write():
            self._client.loop_write()

    def _send_waiting(self) -> None:
        now_s = time.monotonic()
        if not self._outbox.in_flight and not self._probe.in_flight:
            self._watchdog.progressed(now_s)
        if self.subscribed and self._probe.is_rested(now_s):
            self._begin_probes(now_s)
        window = self._window - self._probe.in_flight
        if self._probe.is_due(now_s) and self._outbox.in_flight < window:
            self._send_probe(now_s)
            window -= 1
        for each in self._outbox.take(window):
            attributes = self._cloud_events.attributes_of(each)
            if _packet_bytes(each) + bytes_of(attributes) > self._longest:
                self._give_up(each)
            else:
                self._outbox.sent(self._client.send(each, attributes), each)

    def _give_up(self, publication: Publication) -> None:
        # The broker would hang up over it, again at each attempt, and nothing else would ever pass.
        self._outbox.give_up(publication)
        _log.error(
            "message too long for the broker", topic=publication.topic, n_byte=_packet_bytes(publication),
            longest=self._longest, advice="raise the broker's limit of a packet",
        )  # fmt: skip

    def _send_probe(self, now_s: float) -> None:
        expiry_s = round(self._timing.probe_timeout_s) + 1
        probe = Publication(topic=self._config.probe_topic, payload=self._probe.token(), expiry_s=expiry_s)
        self._probe.sent(self._client.send(probe), now_s)

    def _wait_and_read(self) -> bool:
        """Wait for the socket, the bell or the next tick, and read; false when the connection is lost."""
        opened = self._client.socket()
        if opened is None:
            return False
        self._poll.register(opened.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        pending = self._client.pending()
        ready = dict(self._poll.poll(0 if pending else round(self._timing.tick_s * 1e3)))
        if self._bell.fileno() in ready:
            self._bell.silence()
            # What was decided leaves before the next read, which takes several times as long.
            self._write()
            self._bell.answer()
        readable = pending or ready.get(opened.fileno(), 0) & ~select.POLLOUT
        return not readable or self._client.loop_read() == 0

    def _on_connect(self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self.version_refused = reason.value == UNSUPPORTED_PROTOCOL
        if reason.is_failure:
            self.ending = _ending("refused", "expected to be accepted", reason)
            return
        self.accepted = True
        self.session_lost = self._version == V5 and not self._first and not flags.session_present
        self._accepted_s = time.monotonic()
        self._window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        self._longest = getattr(properties, "MaximumPacketSize", self._longest)
        if self._unwanted:
            self._client.give_up(*self._unwanted)
        self._client.ask_for(*self._config.subscriptions)
        self._outbox.add_first(self._listener.birth())

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if self._leaving or self.ending is not _NOT_ENDED:
            return
        if self._client.fault:
            self.ending = Ending(reason=self._client.fault, text=self._client.complaint)
        elif flags.is_disconnect_packet_from_server:
            self.ending = _ending("ended", "expected the connection to stand", reason)
        elif self.accepted or reason.value == PROTOCOL_ERROR:
            self.ending = _LOSSES.get(reason.value) or Ending(
                reason="lost",
                text="broker: expected the connection to stand, got: "
                f"{self._client.complaint or 'closed without a word'}; see the broker's log: it may have been stopped, "
                "or another client come with our client id",
            )
        else:
            self.ending = Ending(
                reason=HUNG_UP, text="broker: expected an answer, it hung up; check broker.port and broker.tls"
            )

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        received_ns = time.monotonic_ns()
        topic = _topic(message)
        if topic == self._config.probe_topic:
            self._probe.echo(bytes(message.payload), received_ns / 1e9)
            return
        self._probe.heard(received_ns / 1e9)
        self._listener.on_arrival(Arrival(topic, bytes(message.payload), received_ns, message.retain))

    def _on_publish(self, _client: Client, _data: Any, number: int, reason: ReasonCode, _properties: Any) -> None:
        now_s = time.monotonic()
        self._watchdog.progressed(now_s)
        if number == self._probe.number:
            self._probe.acknowledged(now_s)
            if reason.is_failure:
                self._probe.refuse(f"the broker refuses to take it: {reason}")
            return
        if reason.is_failure:
            topic = self._outbox.refuse(number)
            if topic not in self._said and len(self._said) < _MOST_SAID:
                self._said.add(topic)
                _log.error("broker refused a message", topic=topic, error=str(reason), advice=advice(reason.value))
            return
        self._outbox.acknowledge(number)

    def _on_subscribe(self, _client: Client, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        if number == self._probe_subscription:
            if reasons[0].is_failure:
                self._probe.refuse(f"the broker refuses the subscription: {reasons[0]}")
            return
        topics = self._config.subscriptions
        if len(reasons) != len(topics):
            raise LinkError("protocol", _LOSSES[PROTOCOL_ERROR].text)
        refused = [topic for topic, reason in zip(topics, reasons, strict=True) if reason.is_failure]
        if refused:
            self.refusal = f"broker refused the subscription to {', '.join(refused)}"
            _log.error("broker refused a subscription", topics=refused)
        self.subscribed = True
        self._watchdog.answered()
        self._begin_probes(time.monotonic())

    def _begin_probes(self, now_s: float) -> None:
        if self._probe.begin(now_s):
            self._probe_subscription = self._client.ask_for(self._config.probe_topic)


def _ending(kind: str, expected: str, reason: ReasonCode) -> Ending:
    text = f"broker: {expected}, got {reason} (0x{reason.value:02x}); {advice(reason.value)}"
    return Ending(reason=f"{kind}.{label(str(reason))}", text=text)


def _packet_bytes(publication: Publication) -> int:
    """Length of the packet that publishes it, at most."""
    return _FIXED_BYTES + len(publication.topic.encode()) + len(publication.content_type) + len(publication.payload)


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""
