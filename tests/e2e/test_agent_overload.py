"""More than one core can do: 64 engines, faster than real time, through a real broker into a real agent."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from edge_agent.config import AgentSection
from edge_agent.detector import Detector
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.result import decode_result
from edge_agent.swap_parts import SILENCED_WINDOWS
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import encode_frame
from tests.e2e.conftest import ROOM

ENGINES = 64
FRAMES = 40
CHECKED = 4
"""The results of every fourth engine are held against a replay, which takes as long as the agent did."""
FRAME_S = 0.1
DEADLINE_MS = AgentSection(id="a1", fleet="f").deadline_ms
WAIT_S = 60.0
STATUS = "enginear/a1/status"
RESULTS = "aircraft/+/engine/+/result"


def scores_by_span(bundle: Any, frames: list[Any]) -> dict[tuple[str, int], float]:
    """What the detector says of every window that any run of frames without a gap can give, wherever it begins."""
    policy = Policy(fleet=bundle.fleet, agent_version=AGENT_VERSION)
    model = load_model(bundle.path, keys=TrustedKeys.from_files([bundle.key]), policy=policy)
    assessments = []
    for first in range(round(bundle.spec.window_s / FRAME_S)):
        detectors = {frame.engine: Detector(model) for frame in frames}
        for frame in frames:
            if frame.seq >= first:
                assessments += detectors[frame.engine].push(frame)
    return {(each.engine, each.start_ns): each.score for each in assessments}


def pin_to_one_core(pid: int) -> None:
    """Leave all threads of a process one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {min(os.sched_getaffinity(0))})


def counters_at_rest(agent: Any, n_frame: int) -> dict[str, int]:
    """The counters once every frame has been handled or dropped, and everything said has been delivered."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        counters: dict[str, int] = agent.status()["counters"]
        if counters.get("frames_received", 0) + counters["inbox_dropped"] == n_frame and not counters["outbox_waiting"]:
            return counters
        time.sleep(0.05)
    raise AssertionError(f"waited {WAIT_S} s for the end of {n_frame} frames: {counters}")


def test_degrades_in_the_stated_order(broker: Any, peer: Any, make_agent: Any, busy_bundle: Any) -> None:
    """Shadow, then drift, then frames go, each counted; what is still said is right, and gaps are told."""
    agent = make_agent(broker.port, bundle=busy_bundle)
    settings = agent.config.read_text().replace(ROOM, "inbox_frames = 128")
    agent.config.write_text(f"{settings}[shadow]\npath = '{busy_bundle.path}'\n")
    agent.start()
    agent.notified(b"READY=1")
    pin_to_one_core(agent.process.pid)
    for topic in (STATUS, RESULTS):
        peer.subscribe(topic)
    peer.next_where(lambda message: message.topic == STATUS and b'"online"' in message.payload)
    engines = [str(engine) for engine in range(ENGINES)]
    streams = [busy_bundle.frames(FRAMES / 10, engine=engine, seed=int(engine)) for engine in engines]
    *flood, last = list(zip(*streams, strict=True))
    for frame in (frame for frames in flood for frame in frames):
        peer.flood(f"aircraft/OO-ABC/engine/{frame.engine}/vibration", [encode_frame(frame)])
    counters_at_rest(agent, ENGINES * (FRAMES - 1))
    # Whoever is silenced is heard again then, and says what it has lost.
    time.sleep(SILENCED_WINDOWS * busy_bundle.spec.window_s)
    for frame in last:
        peer.flood(f"aircraft/OO-ABC/engine/{frame.engine}/vibration", [encode_frame(frame)])
    counters = counters_at_rest(agent, ENGINES * FRAMES)

    rungs = [line["shed"] for line in agent.log_lines() if line["event"] == "load changed"][:3]
    assert rungs == [["shadow"], ["shadow", "drift"], ["shadow", "drift", "frames"]]
    assert counters["shed.shadow"] > 0
    assert counters["shed.drift"] > 0
    assert counters["inbox_dropped.full_frames"] + counters["inbox_dropped.silenced"] == counters["inbox_dropped"] > 0
    load = agent.status()["load"]
    assert sum(load["dropped"].values()) == counters["inbox_dropped"]

    n_result = sum(n for name, n in counters.items() if name.startswith("windows."))
    messages = [peer.next_where(lambda message: message.topic != STATUS) for _ in range(n_result)]
    results = [decode_result(message.payload) for message in messages]
    right = scores_by_span(busy_bundle, [frame for frames in streams[::CHECKED] for frame in frames])
    checked = [each.assessment for each in results if int(each.assessment.engine) % CHECKED == 0]
    assessed = [each for each in checked if each.state != "not_assessed"]
    assert [each.score for each in assessed] == [right[each.engine, each.start_ns] for each in assessed]
    assert assessed
    assert {each.assessment.reason for each in results} == {"", "gap"}
    # How late they were is the machine's affair; what is said of it is not.
    assert all(each.runtime.deadline_missed == (each.runtime.latency_ms.total > DEADLINE_MS) for each in results)
    assert agent.stop() == 0
