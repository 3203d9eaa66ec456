"""A disk that is full or read-only, for real: publishing goes on from memory, and the journal comes back by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent import journal as journal_module
from edge_agent.journal import Journal
from edge_agent.journal_config import JournalSection
from edge_agent.outbox import Outbox
from edge_agent.publication import Publication
from edge_agent.wire import encode_frame
from tests.e2e.conftest import RunningAgent
from tests.faults.small_disk import Disk, disk  # noqa: F401 - a fixture

WAIT_S = 30.0
LIMIT = 500
RESULT = "aircraft/OO-ABC/engine/1/result"
INPUT = "aircraft/OO-ABC/engine/1/vibration"
SAID = "journal not written; results are kept in memory"


@pytest.fixture
def outbox(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Outbox, Journal]]:  # noqa: F811 - a fixture
    """An outbox whose journal is on the small disk, at ten times the pace."""
    monkeypatch.setattr(journal_module, "INTERVAL_S", 0.05)
    monkeypatch.setattr(journal_module, "MIN_AGE_S", 0.0)
    monkeypatch.setattr(journal_module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(journal_module, "_LONGEST_PAUSE_S", 0.1)
    outbox = Outbox(LIMIT)
    journal = Journal(JournalSection(), disk.folder, outbox)
    journal.start()
    yield outbox, journal
    journal.stop(WAIT_S)


def messages(first: int, n: int) -> list[Publication]:
    """Publications of 1 KiB with consecutive names."""
    return [Publication(topic=str(number), payload=bytes(1024)) for number in range(first, first + n)]


def wait_for(condition: Any, what: Any) -> None:
    """Wait for another thread."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, what()
        time.sleep(0.01)


def drained(outbox: Outbox, n: int) -> list[str]:
    """The topics of the next messages, each acknowledged."""
    topics: list[str] = []
    number = 0
    deadline_s = time.monotonic() + WAIT_S
    while len(topics) < n:
        assert time.monotonic() < deadline_s, topics
        for publication in outbox.take(20):
            number += 1
            outbox.sent(number, publication)
            outbox.acknowledge(number)
            topics.append(publication.topic)
        time.sleep(0.001)
    return topics


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_journal_falls_back_and_recovers(disk: Disk, outbox: Any, fault: str, log_lines: list[Any]) -> None:  # noqa: F811 - a fixture
    """What is on disk stays and is sent; what comes then waits in memory, and is written as soon as it can be."""
    box, journal = outbox
    gauges = journal.gauges
    box.add(*messages(0, 100))
    wait_for(lambda: gauges()["journal_waiting.result"] == 100, gauges)
    disk.fill() if fault == "full" else disk.remount("ro")
    box.add(*messages(100, 100))
    wait_for(lambda: gauges()["journal_write_errors"] >= 2, gauges)
    assert (len(box), box.dropped) == (100, 0)
    disk.make_room() if fault == "full" else disk.remount("rw")
    wait_for(lambda: gauges()["journal_waiting.result"] == 200, gauges)
    assert len(box) == 0
    assert drained(box, 200) == [str(number) for number in range(200)]
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == [SAID]
    assert [line["event"] for line in log_lines if line["event"].endswith("again")] == ["journal written again"]


def test_backlog_is_sent_from_a_full_disk(disk: Disk, outbox: Any) -> None:  # noqa: F811 - a fixture
    """A disk without room for a single byte hands out what it holds, and memory is bounded as ever."""
    box, journal = outbox
    box.add(*messages(0, 300))
    wait_for(lambda: journal.gauges()["journal_waiting.result"] == 300, journal.gauges)
    disk.fill()
    box.add(*messages(300, LIMIT + 100))
    assert box.dropped == 100
    topics = drained(box, 300 + LIMIT)
    assert topics[:LIMIT] == [str(number) for number in range(400, 400 + LIMIT)]
    assert topics[LIMIT:] == [str(number) for number in range(300)]


@pytest.fixture
def agent(disk: Disk, broker: Any, small_bundle: Any, tmp_path: Path) -> Iterator[RunningAgent]:  # noqa: F811 - a fixture
    """An agent with its state on the small disk."""
    agent = RunningAgent(tmp_path, small_bundle, broker.port)
    agent.config.write_text(agent.config.read_text().replace("'state'", f"'{disk.folder}'"))
    yield agent
    agent.end()


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_agent_on_a_disk_that_fails(disk: Disk, agent: Any, peer: Any, small_bundle: Any, fault: str) -> None:  # noqa: F811 - a fixture
    """An agent whose disk is full or read-only from the start is ready, assesses and publishes, and ends in order."""
    disk.fill() if fault == "full" else disk.remount("ro")
    agent.start()
    agent.notified(b"READY=1")
    peer.subscribe("enginear/a1/status")
    peer.next_where(lambda message: b'"online"' in message.payload)
    peer.subscribe(RESULT)
    for frame in small_bundle.frames(4.0):
        peer.publish(INPUT, encode_frame(frame))
    assert peer.next_where(lambda message: message.topic == RESULT)
    assert agent.stop() == 0
