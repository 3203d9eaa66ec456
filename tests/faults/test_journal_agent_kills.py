"""kill -9 of whole agents at random points, with a real broker; a ledger of what they owed is held against a receiver.

In half of the rounds the broker hears nothing from the agent any more while frames still come: results pile up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge_agent.journal import JOURNAL_FOLDER
from edge_agent.journal_segment import Segment
from edge_agent.result import decode_result
from edge_agent.wire import encode_frame
from tests.e2e.conftest import RunningAgent
from tests.faults.relay import relay

INPUT = "aircraft/OO-ABC/engine/1/vibration"
OUTPUTS = ("aircraft/OO-ABC/engine/1/result", "aircraft/OO-ABC/engine/1/alert")
WAIT_S = 60.0
FRAME_S = 0.003
LONGEST_S = 0.8
END = b"end"

Name = tuple[str, str, str, int]


@pytest.fixture
def busy_broker(stopped_broker: Any) -> Any:
    """A broker that sends on frames although none is acknowledged."""
    stopped_broker.start("max_inflight_messages 0")
    return stopped_broker


@pytest.fixture
def make_running(tmp_path: Path, small_bundle: Any) -> Iterator[Any]:
    """Makes the agent's folder once; the agent in it is started many times."""
    made: list[RunningAgent] = []

    def make(port: int) -> RunningAgent:
        made.append(RunningAgent(tmp_path, small_bundle, port))
        return made[-1]

    yield make
    for agent in made:
        agent.end()


def name_of(topic: str, payload: bytes) -> Name:
    """What tells one message from all others."""
    result = decode_result(payload)
    return topic, result.runtime.run, result.assessment.flight, result.assessment.seq


def wait_for_gauges(agent: Any, wanted: Any) -> dict[str, Any]:
    """The status of the process that runs now, once it is as wanted."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        status: dict[str, Any] = agent.status() if (agent.state_dir / "status.json").exists() else {}
        if status.get("pid") == agent.process.pid and wanted(status):
            return status
        assert agent.process.poll() is None, agent.log.read_text()
        assert time.monotonic() < deadline_s, status
        time.sleep(0.02)


def owed(state_dir: Path) -> dict[Name, bytes]:
    """What waits in the journal of an agent."""
    found: dict[Name, bytes] = {}
    for segment in Segment.find(state_dir / JOURNAL_FOLDER):
        # A segment may be deleted under our eyes while the agent runs.
        with suppress(FileNotFoundError):
            segment.load()
            waiting = [publication for _, publication in segment.read() if publication.topic in OUTPUTS]
            found |= {name_of(each.topic, each.payload): each.payload for each in waiting}
    return found


def feed(peer: Any, payloads: Iterator[bytes], life_s: float) -> None:
    """Publish frames for some time."""
    end_s = time.monotonic() + life_s
    while time.monotonic() < end_s:
        peer.flood(INPUT, [next(payloads)])
        time.sleep(FRAME_S)


def kill(agent: Any) -> None:
    """End it at once."""
    agent.process.kill()
    agent.process.wait()


def received_by(peer: Any) -> dict[Name, list[bytes]]:
    """All that came up to the end mark."""
    received: dict[Name, list[bytes]] = {}
    while (message := peer.next()).payload != END:
        received.setdefault(name_of(message.topic, message.payload), []).append(message.payload)
    return received


@pytest.mark.timeout(1_800)
def test_killed_agents(busy_broker: Any, peer_of: Any, make_running: Any, small_bundle: Any, full: Any) -> None:
    """Every message that was on disk at a kill arrives, to the byte but its mark; no run has a hole."""
    rng = random.Random(1)
    feeder, receiver = peer_of(busy_broker), peer_of(busy_broker)
    for topic in OUTPUTS:
        receiver.subscribe(topic)
    ledger: dict[Name, bytes] = {}
    with relay(busy_broker.port) as way:
        agent = make_running(way.port)
        for number in range(50 if full else 4):
            frames = small_bundle.frames(200.0, flight=f"F{number}", faulty_from_s=rng.uniform(1.0, 20.0))
            payloads = map(encode_frame, frames)
            agent.start()
            wait_for_gauges(agent, lambda status: status["link"]["connected"])
            if number % 2:
                way.deafen()
                before = len(ledger)
                while len(ledger | owed(agent.state_dir)) == before:
                    feed(feeder, payloads, 0.1)
            feed(feeder, payloads, rng.uniform(0.0, LONGEST_S))
            kill(agent)
            ledger |= owed(agent.state_dir)
        agent.start()
        wait_for_gauges(agent, lambda status: status["link"]["connected"])
        wait_for_gauges(agent, lambda status: not any(
            count for name, count in status["counters"].items()
            if name.startswith("journal_waiting") or name == "outbox_waiting"
        ))  # fmt: skip
        assert agent.stop() == 0
    feeder.publish(OUTPUTS[0], END)
    received = received_by(receiver)

    assert len(ledger) >= 2, "no round left anything on disk"
    assert set(ledger) - set(received) == set()
    check_payloads(ledger, received)
    check_runs(received)


def check_payloads(ledger: dict[Name, bytes], received: dict[Name, list[bytes]]) -> None:
    """What was owed came to the byte, and marked."""
    for name, payload in ledger.items():
        # The last byte of a result is its mark of being historical.
        assert payload[:-1] in {each[:-1] for each in received[name]}
        assert any(decode_result(each).runtime.historical for each in received[name])


def check_runs(received: dict[Name, list[bytes]]) -> None:
    """The results of each run are its first ones, without a hole."""
    seqs: dict[tuple[str, str], set[int]] = {}
    for topic, run, flight, seq in received:
        if topic == OUTPUTS[0]:
            seqs.setdefault((run, flight), set()).add(seq)
    for key, found in seqs.items():
        assert found == set(range(max(found) + 1)), key
