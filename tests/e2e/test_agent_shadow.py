"""A real agent with a shadow: it speaks on its own topic, and one that is refused keeps nothing from running."""

from __future__ import annotations

import json
from typing import Any

import msgpack

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.result import RUNTIME
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import encode_frame
from ground.drift_reading import read_drift

ENGINE = "aircraft/OO-ABC/engine/1"
STATUS = "enginear/a1/status"


def start(agent: Any, peer: Any, shadow: str) -> None:
    """Start an agent with a shadow, and listen to all it says."""
    with agent.config.open("a") as config:
        config.write(f"[shadow]\n{shadow}\n")
    agent.start()
    agent.notified(b"READY=1")
    for topic in (STATUS, f"{ENGINE}/#"):
        peer.subscribe(topic)
    peer.next_where(lambda message: message.topic == STATUS and b'"online"' in message.payload)


def test_shadow_drift_and_agreement(
    broker: Any, peer: Any, make_agent: Any, small_bundle: Any, development_bundle: Any
) -> None:
    """The shadow's results are those of its own bundle; at the end the agent tells of agreement and of drift."""
    # On a busy machine frames wait, and with the usual deadline the shadow would be shed.
    agent = make_agent(broker.port, settings="deadline_ms = 60000")
    start(agent, peer, f"path = '{development_bundle.path}'\nallow_development = true")
    frames = small_bundle.frames(10.0, faulty_from_s=5.0)
    for frame in frames:
        peer.publish(f"{ENGINE}/vibration", encode_frame(frame))
    said: dict[str, list[bytes]] = {}
    while len(said.get(f"{ENGINE}/shadow", [])) < 9:
        message = peer.next()
        said.setdefault(message.topic, []).append(message.payload)
    assert agent.stop() == 0
    while len(said.get(f"{ENGINE}/drift", [])) + len(said.get(f"{ENGINE}/shadow/agreement", [])) < 2:
        message = peer.next()
        said.setdefault(message.topic, []).append(message.payload)

    policy = Policy(fleet="test", agent_version=AGENT_VERSION, allow_development=True)
    model = load_model(development_bundle.path, keys=TrustedKeys.from_files([development_bundle.key]), policy=policy)
    detector = Detector(model)
    expected = [encode_assessment(assessment) for frame in frames for assessment in detector.push(frame)]
    documents = [msgpack.unpackb(payload) for payload in said[f"{ENGINE}/shadow"]]
    assert all(document.pop(RUNTIME)["agent"] == "a1" for document in documents)
    assert [msgpack.packb(document) for document in documents] == expected
    assert len(said[f"{ENGINE}/alert"]) == 1
    (agreement,) = map(msgpack.unpackb, said[f"{ENGINE}/shadow/agreement"])
    assert sum(agreement["counts"].values()) == 9
    assert set(agreement["counts"]) == {"both_normal", "both_alarm"}
    (drift,) = map(read_drift, said[f"{ENGINE}/drift"])
    assert (drift.phase, drift.cause, drift.sketch.n) == ("cruise", "stop", 9)
    assert agent.status()["shadow"]["bundle_digest"] == model.bundle_digest


def test_refused_shadow(broker: Any, peer: Any, make_agent: Any, small_bundle: Any, development_bundle: Any) -> None:
    """The agent runs without it, and says so."""
    agent = make_agent(broker.port)
    start(agent, peer, f"path = '{development_bundle.path}'")
    for frame in small_bundle.frames(2.0):
        peer.publish(f"{ENGINE}/vibration", encode_frame(frame))
    peer.next_where(lambda message: message.topic == f"{ENGINE}/result")
    message = peer.next_where(lambda message: message.topic == STATUS)
    assert json.loads(message.payload)["shadow"] == {"state": "refused", "reason": "development_not_allowed"}
    assert agent.stop() == 0
