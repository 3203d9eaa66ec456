"""SIGHUP on a real agent: all of a config is taken, or nothing of it, and no result is lost."""

from __future__ import annotations

import json
import signal
from typing import Any

from edge_agent.wire import encode_frame
from tests.e2e.test_agent_broker import INPUT, RESULT, counters_when, expected_of, without_runtime

OTHER_RESULT = "elsewhere/OO-ABC/1"
REJECTED = "config rejected, the one before stays in force"


def reload(agent: Any) -> None:
    """Send SIGHUP and wait until systemd is told that it is over."""
    agent.process.send_signal(signal.SIGHUP)
    assert b"MONOTONIC_USEC=" in agent.notified(b"RELOADING=1")
    agent.notified(b"READY=1")


def test_reload_is_atomic(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """A good config moves results to another topic between two frames; a bad one changes nothing and is told."""
    agent = make_agent(broker.port)
    agent.start()
    agent.notified(b"READY=1")
    for topic in (RESULT, OTHER_RESULT):
        peer.subscribe(topic)
    frames = small_bundle.frames(9.0)
    expected = expected_of(small_bundle, frames)
    counters_when(agent, "frames_received", 0)
    good = agent.config.read_text()

    def send(part: list[Any], before: int) -> None:
        for frame in part:
            peer.publish(INPUT, encode_frame(frame))
        counters_when(agent, "frames_received", before + len(part))

    send(frames[:30], 0)
    agent.config.write_text(good.replace("[broker]", "[topics]\nresult = 'x/{aircraft}'\n[broker]\n"))
    reload(agent)
    assert "topics.result: expected" in agent.status()["config"]["error"]
    agent.config.write_text(good.replace("id = 'a1'", "id = 'a2'"))
    reload(agent)
    assert agent.status()["config"]["error"].startswith("agent.id: expected the running agent's")
    send(frames[30:60], 30)
    agent.config.write_text(good)
    (agent.folder / "conf.d").mkdir()
    (agent.folder / "conf.d" / "topic.toml").write_text("[topics]\nresult = 'elsewhere/{aircraft}/{engine}'\n")
    reload(agent)
    assert agent.status()["config"]["error"] == ""
    counters = agent.status()["counters"]
    assert (counters["reloads"], counters["reloads_rejected"]) == (1, 2)
    send(frames[60:], 60)
    messages = [peer.next_where(lambda _message: True) for _ in expected]
    assert [without_runtime(message.payload) for message in messages] == expected
    topics = [message.topic for message in messages]
    assert topics == sorted(topics, key=[RESULT, OTHER_RESULT].index)
    assert set(topics) == {RESULT, OTHER_RESULT}
    assert agent.stop() == 0
    assert [line["event"] for line in agent.log_lines() if line["level"] == "error"] == [REJECTED] * 2


def test_a_wrong_config_does_not_silence_the_next_start(broker: Any, make_agent: Any) -> None:
    """It starts by the last one that ran, and says so; the corrected file is taken by a reload."""
    agent = make_agent(broker.port)
    agent.start()
    agent.notified(b"READY=1")
    (agent.folder / "conf.d").mkdir()
    drop_in = agent.folder / "conf.d" / "10-site.toml"
    drop_in.write_text("[agent]\ndeadline_ms = 40.0\n")
    reload(agent)
    assert agent.stop() == 0
    drop_in.write_text("[agent]\ndeadlin_ms = 30.0\n")
    agent.drain()
    agent.start()
    agent.notified(b"READY=1")
    assert "agent.deadlin_ms: expected one of" in agent.status()["config"]["error"]
    assert "config_rejected" in agent.status()["health_reasons"]
    assert json.loads((agent.state_dir / "config.good").read_bytes())["config"]["agent"]["deadline_ms"] == 40.0
    reload(agent)
    assert agent.status()["config"]["error"] != ""
    drop_in.write_text("[agent]\ndeadline_ms = 30.0\n")
    reload(agent)
    assert agent.status()["config"]["error"] == ""
    assert json.loads((agent.state_dir / "config.good").read_bytes())["config"]["agent"]["deadline_ms"] == 30.0
    assert agent.stop() == 0
    (agent.state_dir / "config.good").unlink()
    drop_in.write_text("[agent]\ndeadlin_ms = 30.0\n")
    agent.start()
    assert agent.process.wait(30) == 2
