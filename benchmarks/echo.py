"""An agent that decides nothing: what the way to and fro takes a plain client of the MQTT library.

Run as a program it is that agent; ``running_echo`` starts it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.agent import AGENT
from benchmarks.mqtt_pair import FRAMES, QOS, RESULTS, STATUS, set_no_delay
from benchmarks.processes import Program, running
from edge_agent.assessment import Assessment
from edge_agent.decision import NORMAL
from edge_agent.frame import Frame
from edge_agent.health import ONLINE
from edge_agent.result import Latency, Result, Runtime, encode_result
from edge_agent.wire import decode_frame

if TYPE_CHECKING:
    from benchmarks.paced import Load
    from ground.publish import Broker

_NO_DIGEST = "0" * 64
_LONGEST_FRAME = 2**24


@contextmanager
def running_echo(folder: Path, load: Load, broker: Broker) -> Iterator[Program]:
    """Run the agent that decides nothing; it is online some time later.

    Args:
        folder: Receives its log.
        load: Which frames it answers.
        broker: Where frames come from and results go.
    """
    command = (sys.executable, "-m", "benchmarks.echo", broker.host, str(broker.port))
    with running("echo", (*command, str(load.first_n), str(load.per_hop_n)), folder) as program:
        yield program


def main() -> None:
    """Answer the frames that complete a window, until it is stopped."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("host")
    options.add_argument("port", type=int)
    options.add_argument("first_n", type=int, help="frames of an engine up to its first window")
    options.add_argument("per_hop_n", type=int, help="frames from window to window")
    chosen = options.parse_args()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    heard: Counter[str] = Counter()

    def subscribe(*_: Any) -> None:
        client.subscribe(FRAMES.filter, QOS)

    def say_online(*_: Any) -> None:
        client.publish(STATUS, json.dumps({"state": ONLINE}), QOS, retain=True)

    def answer(_client: Client, _data: Any, message: MQTTMessage) -> None:
        heard[message.topic] += 1
        after_n = heard[message.topic] - chosen.first_n
        if after_n >= 0 and after_n % chosen.per_hop_n == 0:
            frame = decode_frame(bytes(message.payload), max_bytes=_LONGEST_FRAME)
            topic = RESULTS.fill(aircraft=frame.aircraft, engine=frame.engine)
            client.publish(topic, encode_result(_nothing_decided(frame)), QOS)

    client.on_socket_open = set_no_delay
    client.on_connect = subscribe
    client.on_subscribe = say_online
    client.on_message = answer
    client.connect(chosen.host, chosen.port)
    client.loop_forever()


def _nothing_decided(frame: Frame) -> Result:
    assessment = Assessment(
        aircraft=frame.aircraft, engine=frame.engine, flight=frame.flight, phase=frame.phase, seq=frame.seq,
        start_ns=frame.t_ns, end_ns=frame.end_ns, state=NORMAL, reason="", event="", score=0.0, threshold=1.0,
        contributions=(), bundle_id="", bundle_digest=_NO_DIGEST, spec_digest=_NO_DIGEST,
    )  # fmt: skip
    runtime = Runtime(
        agent=AGENT, run="", monotonic_ns=time.monotonic_ns(), clock="unknown", latency_ms=Latency(0.0, 0.0, 0.0),
        deadline_missed=False,
    )  # fmt: skip
    return Result(assessment, runtime)


if __name__ == "__main__":
    main()
