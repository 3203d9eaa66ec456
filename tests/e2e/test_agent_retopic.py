"""SIGHUP changes the topics that frames come from: a session that the broker keeps gives up the old ones."""

from __future__ import annotations

from typing import Any

from edge_agent.wire import encode_frame
from tests.e2e.test_agent_broker import INPUT, counters_when
from tests.e2e.test_agent_reload import reload

OTHER_INPUT = "elsewhere/vibration"


def test_input_topics_that_are_gone_bring_no_frames(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """After a reload with another input topic, frames on the former one are nobody's."""
    agent = make_agent(broker.port)
    agent.start()
    agent.notified(b"READY=1")
    frames = [encode_frame(frame) for frame in small_bundle.frames(1.0)]
    peer.publish(INPUT, frames[0])
    counters_when(agent, "frames_received", 1)
    (agent.folder / "conf.d").mkdir()
    (agent.folder / "conf.d" / "topic.toml").write_text(f"[topics]\ninput = ['{OTHER_INPUT}']\n")
    reload(agent)
    agent.notified(b"connected to")
    peer.publish(OTHER_INPUT, frames[1])
    counters_when(agent, "frames_received", 2)
    peer.publish(INPUT, frames[2])
    peer.publish(OTHER_INPUT, frames[3])
    counters_when(agent, "frames_received", 3)
    assert agent.stop() == 0
    assert agent.status()["counters"]["frames_received"] == 3
