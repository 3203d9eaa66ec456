"""Publishing recordings as live frames: what the sensors of a fleet would send, at real time or faster."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.frame import NS_PER_S, Frame, samples_ns
from edge_agent.wire import encode_frame
from ground.errors import GroundError
from ground.progress import Progress

TOPIC = "aircraft/{aircraft}/engine/{engine}/vibration"
_PATIENCE_S = 30.0


class PublishError(GroundError):
    """The broker cannot be reached or does not take the frames."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was sent: frames, and the seconds of signal in them."""

    frames: int
    signal_s: float


def publish_flights(
    flights: Iterable[tuple[str, Iterable[Frame]]], broker: Broker, *, speed: float, total: int, progress: Progress
) -> PublishReport:
    """Send flights one after the other, each frame when its last sample would have been taken.

    Args:
        flights: Name and frames of each flight.
        broker: Where to.
        speed: Times real time.
        total: Number of flights, for progress.
        progress: Told after each flight.

    Raises:
        PublishError: The broker is not there, or takes nothing for half a minute.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    try:
        client.connect(broker.host, broker.port)
    except OSError as error:
        raise PublishError(f"{broker.host}:{broker.port}: expected a broker, got {error}; start it first") from error
    client.loop_start()
    frames, signal_ns = 0, 0
    try:
        for done, (_, flight) in enumerate(flights, start=1):
            sent, lasted_ns = _publish_flight(client, flight, speed)
            frames, signal_ns = frames + sent, signal_ns + lasted_ns
            progress("flights sent", done, total)
    finally:
        client.disconnect()
        client.loop_stop()
    return PublishReport(frames, signal_ns / NS_PER_S)


def _publish_flight(client: mqtt.Client, frames: Iterable[Frame], speed: float) -> tuple[int, int]:
    started = time.monotonic()
    sent, signal_ns = 0, 0
    for frame in frames:
        # Snapshots lie far apart; what is paced is the signal, so that a life of hours does not take hours.
        signal_ns += samples_ns(len(frame.samples), frame.rate_hz)
        time.sleep(max(0.0, started + signal_ns / NS_PER_S / speed - time.monotonic()))
        message = client.publish(TOPIC.format(aircraft=frame.aircraft, engine=frame.engine), encode_frame(frame), qos=1)
        try:
            message.wait_for_publish(_PATIENCE_S)
        except (RuntimeError, ValueError) as error:
            raise PublishError(f"broker: expected it to take a frame, got {error}; check the connection") from error
        if not message.is_published():
            raise PublishError(f"broker: expected it to take a frame within {_PATIENCE_S:g} s, got nothing; check it")
        sent += 1
    return sent, signal_ns
