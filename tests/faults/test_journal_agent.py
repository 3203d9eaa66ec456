"""The journal of a whole agent: an outage, a restart, a second agent on the same folder, a look from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.exit_code import ExitCode
from edge_agent.result import RUNTIME, decode_result
from edge_agent.wire import encode_frame
from tests.e2e.conftest import RunningAgent
from tests.faults.relay import relay

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
INPUT = "aircraft/OO-ABC/engine/1/vibration"
RESULT = "aircraft/OO-ABC/engine/1/result"
STATUS = "enginear/a1/status"


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition on another process."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)
    return value


def spool(agent: Any, action: str, *options: str) -> tuple[int, Any]:
    """Run ``edge-agent spool`` in a process of its own."""
    command = [sys.executable, "-m", "edge_agent", "spool", action, "--config", str(agent.config), "--json", *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def make_agent(tmp_path: Path, small_bundle: Any) -> Iterator[Callable[[int], RunningAgent]]:
    """Makes agents of the small bundle, and sees to their end."""
    made: list[RunningAgent] = []

    def make(port: int) -> RunningAgent:
        folder = tmp_path / f"agent{len(made)}"
        folder.mkdir()
        made.append(RunningAgent(folder, small_bundle, port))
        return made[-1]

    yield make
    for agent in made:
        agent.end()


def test_results_outlive_an_agent_that_is_not_heard(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:
    """What the broker has not acknowledged outlives the agent and comes later: in order, marked, and only then gone."""
    peer.subscribe(STATUS)
    with relay(broker.port) as way:
        agent = make_agent(way.port)
        agent.start()
        peer.next_where(lambda message: b'"online"' in message.payload)
        way.deafen()
        for frame in small_bundle.frames(2.0):
            peer.publish(INPUT, encode_frame(frame))
        wait_until(lambda: spool(agent, "stats")[1]["waiting"]["result"] > 0, "results on disk")
        assert agent.stop() == 0
        code, checked = spool(agent, "check")
        assert (code, checked["damaged"], checked["torn"]) == (ExitCode.OK, 0, 0)
        out = agent.folder / "out.jsonl"
        assert spool(agent, "export", "--out", str(out))[0] == ExitCode.OK
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        results = [line["document"] for line in lines if line["topic"] == RESULT]
        assert results
        assert all(each[RUNTIME]["historical"] for each in results)

        peer.subscribe(RESULT)
        agent.start()
        received = [decode_result(peer.next_where(lambda message: message.topic == RESULT).payload) for _ in results]
        assert [each.assessment.seq for each in received] == [each["seq"] for each in results]
        assert [each.runtime.run for each in received] == [each[RUNTIME]["run"] for each in results]
        assert all(each.runtime.historical for each in received)
        wait_until(lambda: sum(spool(agent, "stats")[1]["waiting"].values()) == 0, "an empty journal")
        assert agent.stop() == 0


def test_second_agent_is_refused(stopped_broker: Any, make_agent: Any) -> None:
    """Two agents on one state folder: the second one says so and ends; the first one goes on."""
    first, second = make_agent(stopped_broker.port), make_agent(stopped_broker.port)
    second.config.write_text(second.config.read_text().replace("'state'", f"'{first.state_dir}'"))
    first.start()
    first.notified(b"READY=1")
    second.start()
    assert second.process.wait(WAIT_S) == ExitCode.USAGE
    (line,) = second.log.read_text().splitlines()
    assert line.startswith("edge-agent: agent.state_dir: expected a folder of this agent alone")
    assert first.stop() == 0
