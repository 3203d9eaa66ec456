"""Publishing recordings as live frames: what the sensors of a fleet would send, at real time or faster."""

from __future__ import annotations

import queue
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.frame import NS_PER_S, Frame, samples_ns
from edge_agent.wire import encode_frame
from ground.errors import GroundError
from ground.progress import Progress

TOPIC = "aircraft/{aircraft}/engine/{engine}/vibration"
_PATIENCE_S = 30.0
_UNACKNOWLEDGED = 64
"""Frames on the way at a time: one after the other, the way to the broker and back would be the pace."""


class PublishError(GroundError):
    """The broker cannot be reached or does not take the frames."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker listens, and how to get in.

    Attributes:
        host: Its name or address.
        port: Its port.
        username: Empty for none.
        password: With a username.
        ca: File of the certificates that may vouch for it; empty for no TLS.
    """

    host: str
    port: int
    username: str = ""
    password: str = ""
    ca: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was sent: frames, the seconds of signal in them, and how long that took."""

    frames: int
    signal_s: float
    took_s: float

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.signal_s / self.took_s if self.took_s > 0.0 else 0.0


def publish_flights(
    flights: Iterable[tuple[str, Iterable[Frame]]], broker: Broker, *, speed: float, total: int, progress: Progress
) -> PublishReport:
    """Send flights one after the other, each frame when its last sample would have been taken.

    Args:
        flights: Name and frames of each flight.
        broker: Where to.
        speed: Times real time; a broker that takes less makes it less.
        total: Number of flights, for progress.
        progress: Told after each flight, and of each second of signal.

    Raises:
        PublishError: The broker is not there, does not let in, or takes nothing for half a minute.
    """
    frames, signal_ns = 0, 0
    begun_s = time.monotonic()
    progress("flights sent", 0, total)
    with _connected(broker) as sender:
        for done, (_, flight) in enumerate(flights, start=1):
            started = time.monotonic()
            flight_ns = 0
            for frame in flight:
                # Snapshots lie far apart; what is paced is the signal, so that a life of hours does not take hours.
                flight_ns += samples_ns(len(frame.samples), frame.rate_hz)
                time.sleep(max(0.0, started + flight_ns / NS_PER_S / speed - time.monotonic()))
                sender.send(frame)
                frames += 1
                _tell_seconds(progress, signal_ns + flight_ns, len(frame.samples) / frame.rate_hz)
            signal_ns += flight_ns
            sender.settle(0)
            progress("flights sent", done, total)
    return PublishReport(frames, signal_ns / NS_PER_S, time.monotonic() - begun_s)


def _tell_seconds(progress: Progress, signal_ns: int, frame_s: float) -> None:
    seconds = signal_ns // NS_PER_S
    if seconds > signal_ns / NS_PER_S - frame_s:
        progress("seconds of signal", seconds, seconds)


class _Sender:
    """Sends frames, some of them at a time."""

    def __init__(self, client: mqtt.Client, broker: Broker) -> None:
        self._client = client
        self._broker = broker
        self._on_the_way: deque[mqtt.MQTTMessageInfo] = deque()

    def send(self, frame: Frame) -> None:
        """Send a frame; waits where too many are on the way."""
        topic = TOPIC.format(aircraft=frame.aircraft, engine=frame.engine)
        self._on_the_way.append(self._client.publish(topic, encode_frame(frame), qos=1))
        self.settle(_UNACKNOWLEDGED)

    def settle(self, most: int) -> None:
        """Wait until at most so many frames are on the way.

        Raises:
            PublishError: The broker does not take them.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        while len(self._on_the_way) > most:
            message = self._on_the_way[0]
            try:
                message.wait_for_publish(0.2)
            except (RuntimeError, ValueError) as error:
                raise PublishError(
                    f"{self._broker}: expected it to take a frame, got {error}; check the connection"
                ) from error
            if message.is_published():
                self._on_the_way.popleft()
            elif time.monotonic() > deadline_s:
                raise PublishError(
                    f"{self._broker}: expected it to take a frame within {_PATIENCE_S:g} s, got nothing; check it"
                )


@contextmanager
def _connected(broker: Broker) -> Iterator[_Sender]:
    answers: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(_UNACKNOWLEDGED + 1)
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.put(reason)
    if broker.username:
        client.username_pw_set(broker.username, broker.password)
    try:
        _secure(client, broker)
        client.connect(broker.host, broker.port)
    except (OSError, ValueError) as error:
        raise PublishError(f"{broker}: expected a broker, got {error}; start it first, or check its address") from error
    client.loop_start()
    try:
        _check_let_in(broker, answers)
        yield _Sender(client, broker)
    finally:
        client.disconnect()
        client.loop_stop()


def _secure(client: mqtt.Client, broker: Broker) -> None:
    if broker.ca:
        client.tls_set_context(ssl.create_default_context(cafile=broker.ca))


def _check_let_in(broker: Broker, answers: queue.SimpleQueue[ReasonCode]) -> None:
    try:
        reason = answers.get(timeout=_PATIENCE_S)
    except queue.Empty:
        raise PublishError(
            f"{broker}: expected a broker, got no answer within {_PATIENCE_S:g} s; check its address"
        ) from None
    if reason.is_failure:
        raise PublishError(
            f"{broker}: expected to be let in, got {reason}; check name, password and the broker's rules"
        )
