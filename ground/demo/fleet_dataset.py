"""What the demo's agent said as a collector's dataset, with the waveforms of its alerts: for the console."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgpack
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.decision import RAISED
from edge_agent.result import decode_result
from ground.demo.listener import TOPICS, Listener
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import write_parts
from ground.fleet.collect.requests import WaveformRequest
from ground.fleet.collect.rows import date_of_ns
from ground.publish import Broker

FLEET: Final = "fleet"
"""In the workspace."""
_NAME = "demo-1"
_PATIENCE_S = 5.0


def fetch_waveforms(listener: Listener, broker: Broker) -> int:
    """Ask the agent for the waveform of each alert that it has announced one of; how many have come.

    Those that do not come within seconds are left: a demo without them is still one.
    """
    raised = sum(decode_result(payload).assessment.event == RAISED for payload in listener.alerts)
    listener.wait_for(lambda: len(listener.of(Kind.EVIDENCE)) >= raised, patience_s=_PATIENCE_S)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        return sum(_fetch(payload, listener, client) for payload in listener.of(Kind.EVIDENCE))
    finally:
        client.disconnect()
        client.loop_stop()


def keep_dataset(root: Path, listener: Listener) -> None:
    """Write everything that the agent has said, as `ground collect run` would have.

    Raises:
        OSError: The disk refuses.
    """
    newest_ns = max((decode_result(payload).assessment.end_ns for payload in listener.results), default=0)
    write_parts(listener.messages, root, name=_NAME, date=date_of_ns(newest_ns), topics=TOPICS)


def _fetch(announcement: bytes, listener: Listener, client: mqtt.Client) -> bool:
    """Ask for one, and wait: an agent refuses more than a few at once."""
    evidence = msgpack.unpackb(announcement)
    message = WaveformRequest(evidence["agent"], evidence["id"]).publication(TOPICS)
    client.publish(message.topic, message.payload, qos=1)
    return listener.wait_for(lambda: _is_whole(evidence["id"], listener), patience_s=_PATIENCE_S)


def _is_whole(name: str, listener: Listener) -> bool:
    """Whether the last chunk of a waveform has come; they come in order."""
    newest = listener.of(Kind.EVIDENCE_DATA)[-1:]
    documents = [msgpack.unpackb(payload) for payload in newest]
    return any(each.get("evidence", {}).get("id") == name and each["chunk"] + 1 == each["chunks"] for each in documents)
