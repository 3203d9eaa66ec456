"""The agent as it flies: a real process, a real broker, a signed bundle, and everything that goes wrong."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.result import RUNTIME, decode_result
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import encode_frame
from tests.faults.relay import relay

WAIT_S = 30.0
INPUT = "aircraft/OO-ABC/engine/1/vibration"
RESULT = "aircraft/OO-ABC/engine/1/result"
ALERT = "aircraft/OO-ABC/engine/1/alert"
STATUS = "enginear/a1/status"
MIB = 1024 * 1024


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition on another process."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)
    return value


def expected_of(bundle: Any, frames: list[Any]) -> list[bytes]:
    """What the pure detector says of the frames, as the ground's batch encodes it."""
    keys = TrustedKeys.from_files([bundle.key])
    model = load_model(bundle.path, keys=keys, policy=Policy(fleet=bundle.fleet, agent_version=AGENT_VERSION))
    detector = Detector(model)
    return [encode_assessment(assessment) for frame in frames for assessment in detector.push(frame)]


def without_runtime(payload: bytes) -> bytes:
    """The part of a result that no run shares with another is taken out."""
    document = msgpack.unpackb(payload)
    del document[RUNTIME]
    return bytes(msgpack.packb(document))


def is_online(message: Any) -> bool:
    """Whether a message is the status of an agent that is online."""
    return bool(message.topic == STATUS and json.loads(message.payload)["state"] == "online")


def counters_when(agent: Any, name: str, count: int) -> dict[str, int]:
    """The counters, once one of them has come to ``count``."""
    found: dict[str, int] = wait_until(
        lambda: (counters := agent.status()["counters"]).get(name, 0) >= count and counters, f"{name} = {count}"
    )
    return found


def test_stream_equals_batch(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """Frames in, results and an alert out: the bytes of the pure detector, within the deadline; then a clean end."""
    agent = make_agent(broker.port)
    agent.start()
    assert agent.notified(b"READY=1")
    for topic in (STATUS, RESULT, ALERT):
        peer.subscribe(topic)
    peer.next_where(is_online)
    frames = small_bundle.frames(20.0, faulty_from_s=10.0)
    expected = expected_of(small_bundle, frames)
    for frame in frames:
        peer.publish(INPUT, encode_frame(frame))
    messages = [peer.next_where(lambda message: message.topic != STATUS) for _ in range(len(expected) + 1)]
    results = [message.payload for message in messages if message.topic == RESULT]
    alerts = [message.payload for message in messages if message.topic == ALERT]
    assert [without_runtime(payload) for payload in results] == expected
    assert [decode_result(payload).assessment.event for payload in alerts] == ["raised"]
    runtimes = [decode_result(payload).runtime for payload in results]
    assert {(each.agent, each.historical) for each in runtimes} == {("a1", False)}
    assert len({each.run for each in runtimes}) == 1
    assert agent.stop() == 0
    assert agent.notified(b"STOPPING=1")
    last = json.loads(peer.next_where(lambda message: b'"offline"' in message.payload).payload)
    assert (last["reason"], last["counters"]["frames_received"]) == ("stopped", 200)
    assert agent.status()["state"] == "offline"
    assert {line["level"] for line in agent.log_lines()} == {"info", "warning"}


def test_watchdog_is_fed_while_idle(stopped_broker: Any, make_agent: Any) -> None:
    """Without frames, and without a broker, the worker turns and the watchdog is fed."""
    agent = make_agent(stopped_broker.port)
    agent.start()
    assert b"waiting for 127.0.0.1" in agent.notified(b"READY=1")
    for _ in range(3):
        assert agent.notified(b"WATCHDOG=1")
    assert agent.stop() == 0


def test_broker_comes_later(stopped_broker: Any, make_agent: Any, small_bundle: Any, peer_of: Any) -> None:
    """An agent that starts before its broker is ready at once, and works as soon as the broker is there."""
    agent = make_agent(stopped_broker.port)
    agent.start()
    agent.notified(b"READY=1")
    assert wait_until(lambda: agent.status()["link"]["error"], "the reason why there is no link")
    stopped_broker.start()
    peer = peer_of(stopped_broker)
    peer.subscribe(STATUS)
    peer.next_where(is_online)
    peer.subscribe(RESULT)
    for frame in small_bundle.frames(2.0):
        peer.publish(INPUT, encode_frame(frame))
    assert peer.next_where(lambda message: message.topic == RESULT)
    assert agent.stop() == 0


def test_broker_restarts(broker: Any, make_agent: Any, small_bundle: Any, peer_of: Any) -> None:
    """A broker that is killed and started again costs the frames of the meantime, which count as a gap, and no more."""
    agent = make_agent(broker.port)
    agent.start()
    frames = small_bundle.frames(9.0)
    before, after = frames[:30], frames[60:]
    expected = expected_of(small_bundle, [*before, *after])
    results = []
    for part in (before, after):
        peer = peer_of(broker)
        peer.subscribe(STATUS)
        peer.next_where(is_online)
        peer.subscribe(RESULT)
        for frame in part:
            peer.publish(INPUT, encode_frame(frame))
        results += [
            without_runtime(peer.next_where(lambda message: message.topic == RESULT).payload)
            for _ in range(len(expected_of(small_bundle, before)) if part is before else len(expected) - len(results))
        ]
        broker.kill()
        wait_until(lambda: not agent.status()["link"]["connected"], "the link to be down")
        broker.start()
    assert results == expected
    assert agent.stop() == 0


BAD_PAYLOADS: list[tuple[str, bytes, str]] = [
    ("not msgpack", b"hello", "not_msgpack"),
    ("wrong schema", msgpack.packb({"schema": 99}), "schema"),
    ("longer than allowed", bytes(4 * MIB + 1), "too_large"),
]


def test_bad_payloads(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """Messages that are no frames, one of 100 MB and an unknown engine are refused; the engine's stream is unharmed."""
    agent = make_agent(broker.port, settings="engines = ['OO-ABC/1']")
    agent.start()
    peer.subscribe(STATUS)
    peer.next_where(is_online)
    peer.subscribe(RESULT)
    frames = small_bundle.frames(4.0)
    stranger = small_bundle.frames(0.1, engine="2")[0]
    for _, payload, _ in BAD_PAYLOADS:
        peer.publish(INPUT, payload)
    for frame in frames[:20]:
        peer.publish(INPUT, encode_frame(frame))
    peer.publish(INPUT, bytes(100 * MIB))
    peer.publish("aircraft/OO-ABC/engine/2/vibration", encode_frame(stranger))
    for frame in frames[20:]:
        peer.publish(INPUT, encode_frame(frame))
    expected = expected_of(small_bundle, frames)
    got = [peer.next_where(lambda message: message.topic == RESULT).payload for _ in expected]
    assert [without_runtime(payload) for payload in got] == expected
    counters = counters_when(agent, "frames_refused.unknown_engine", 1)
    assert {reason: counters[f"frames_refused.{reason}"] for _, _, reason in BAD_PAYLOADS} == {
        reason: 1 for _, _, reason in BAD_PAYLOADS
    }
    assert agent.status()["link"]["connections"] == 1
    assert agent.stop() == 0


def test_agent_that_is_killed_leaves_its_will(broker: Any, peer: Any, make_agent: Any) -> None:
    """After SIGKILL the broker says that the connection was lost, retained for whoever asks later."""
    agent = make_agent(broker.port)
    agent.start()
    peer.subscribe(STATUS)
    peer.next_where(is_online)
    agent.process.kill()
    last = peer.next_where(lambda message: b'"offline"' in message.payload)
    assert json.loads(last.payload)["reason"] == "connection lost"


def test_will_tells_of_the_connections_beginning(broker: Any, peer: Any, make_agent: Any) -> None:
    """Whoever looks for a lost aircraft reads what it flew when it was last connected, not when it was switched on."""
    peer.subscribe(STATUS)
    wills: list[dict[str, Any]] = []
    with relay(broker.port) as way:
        agent = make_agent(way.port)
        agent.start()
        agent.notified(b"READY=1")
        good = agent.config.read_text()
        wait_until(lambda: agent.status()["link"]["connected"], "the agent to be connected")
        agent.config.write_text("nonsense")
        agent.process.send_signal(signal.SIGHUP)
        counters_when(agent, "reloads_rejected", 1)
        agent.config.write_text(good)
        for _ in range(2):
            wait_until(lambda: agent.status()["link"]["connections"] == len(wills) + 1, "the agent to be connected")
            way.cut()
            wills.append(json.loads(peer.next_where(lambda message: b'"offline"' in message.payload).payload))
            way.mend()
    assert [will["config"]["error"] == "" for will in wills] == [True, False]
    assert [will["counters"].get("reloads_rejected", 0) for will in wills] == [0, 1]
    assert wills[0]["since"] == wills[1]["since"]


def test_stop_under_load(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """SIGTERM in the middle of a flood: what was counted was published, whole and in order, and the end is clean."""
    agent = make_agent(broker.port)
    agent.start()
    peer.subscribe(STATUS)
    peer.next_where(is_online)
    peer.subscribe(RESULT)
    frames = small_bundle.frames(60.0)
    expected = expected_of(small_bundle, frames)
    for frame in frames[:300]:
        peer.publish(INPUT, encode_frame(frame))
    results = [without_runtime(peer.next_where(lambda message: message.topic == RESULT).payload) for _ in range(20)]
    peer.flood(INPUT, [encode_frame(frame) for frame in frames[300:]])
    assert agent.stop() == 0
    while (message := peer.next()).topic != STATUS or b'"offline"' not in message.payload:
        results += [without_runtime(message.payload)] if message.topic == RESULT else []
    final = json.loads(message.payload)["counters"]
    assert results == expected[: len(results)]
    assert len(results) == sum(count for name, count in final.items() if name.startswith("windows."))


@pytest.mark.parametrize("edit", ["fleet", "key"])
def test_refused_start(stopped_broker: Any, make_agent: Any, edit: str, tmp_path: Any) -> None:
    """An agent that must not run its bundle, or cannot check it, ends with the code for it and one plain line."""
    agent = make_agent(stopped_broker.port)
    text = agent.config.read_text()
    missing = tmp_path / "none.pem"
    changes = {"fleet": text.replace("fleet = 'test'", "fleet = 'north'")}
    changes["key"] = "\n".join(f"keys = ['{missing}']" if row.startswith("keys") else row for row in text.splitlines())
    agent.config.write_text(changes[edit])
    agent.start()
    assert agent.process.wait(WAIT_S) == {"fleet": 3, "key": 2}[edit]
    (line,) = agent.log.read_text().splitlines()
    assert line.startswith({"fleet": "edge-agent: wrong_fleet: ", "key": f"edge-agent: {missing}: "}[edit])
