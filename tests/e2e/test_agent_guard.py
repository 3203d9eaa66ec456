"""Faults of the agent's own code in the main thread: the watch over the engine goes on, and they are told."""

from __future__ import annotations

import sys
from typing import Any

from edge_agent.guard import Guard
from edge_agent.health import Counters
from edge_agent.wire import encode_frame
from tests.conftest import wait_until
from tests.e2e.test_agent_broker import INPUT, RESULT, expected_of, without_runtime

BROKEN = """
import sys
from edge_agent import agent, cli

def fail(*_arguments, **_settings):
    raise KeyError("planted")

agent.TrustDesk.tick = fail
agent.Probation.tick = fail
agent.Checkup.refresh = fail
agent.EngineReports.finish = fail
sys.exit(cli.main(sys.argv[3:]))
"""
"""An agent of which four parts fail whenever they are asked, as a fault of ours would make them."""
FAILED = "step of the main loop failed, the agent goes on"


def test_reports_that_fail_do_not_end_the_watch(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """Every result comes, the status is written, the agent ends in order; each fault is counted, and logged once."""
    agent = make_agent(broker.port)
    script = agent.folder / "broken.py"
    script.write_text(BROKEN)
    agent.start(sys.executable, str(script))
    agent.notified(b"READY=1")
    wait_until(lambda: agent.status()["link"]["connected"], "the agent to be connected")
    peer.subscribe(RESULT)
    frames = small_bundle.frames(6.0)
    expected = expected_of(small_bundle, frames)
    for frame in frames:
        peer.publish(INPUT, encode_frame(frame))
    messages = [peer.next_where(lambda _message: True) for _ in expected]
    assert [without_runtime(message.payload) for message in messages] == expected

    def failed(step: str) -> int:
        return int(agent.status()["counters"].get(f"main_loop_errors.{step}", 0))

    wait_until(lambda: failed("probation") > 2, "reports that fail again and again")
    # Once a turn, at a turn's pace: the second one only at the start and the end besides.
    assert failed("trust") - failed("probation") in (0, 1, 2)
    assert agent.stop() == 0
    assert failed("reports") == 1
    told = [line["step"] for line in agent.log_lines() if line["event"] == FAILED]
    assert sorted(told) == ["checkup", "probation", "reports", "trust"]
    assert agent.log_lines()[-1]["event"] == "agent stopped"


def test_kinds_are_told_once_each() -> None:
    """By step and kind of the fault; what is no fault passes."""
    counters, done = Counters(), list[int]()
    guard = Guard(counters)
    for fault in (KeyError("a"), KeyError("b"), ValueError("c")):
        guard.run("report", lambda fault=fault: (_ for _ in ()).throw(fault))
    guard.run("report", lambda: done.append(1))
    assert done == [1]
    assert counters.snapshot() == {"main_loop_errors.report": 3}
