"""Waveforms that somebody asks for: notes, collectors, agents."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from edge_agent.topics_section import TopicsSection
from ground.errors import DataError
from ground.fleet.collect.collector import Collector, CollectorPlan
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind, topic_filters
from ground.fleet.collect.link import BrokerAddress, Intake
from ground.fleet.collect.reminder import Reminder
from ground.fleet.collect.requests import FOLDER, WaveformRequest, ask_for, is_asked_for, take_requests
from ground.fleet.collect.spool import Spool

QUIET = Reminder(lambda _: None)
REQUEST = WaveformRequest("a1", "0123456789abcdef")


def test_a_note_is_taken_once(tmp_path):
    """By whichever collector comes first."""
    ask_for(tmp_path, REQUEST)
    ask_for(tmp_path, REQUEST)
    assert is_asked_for(tmp_path, REQUEST.id)
    assert list(take_requests(tmp_path, QUIET)) == [REQUEST]
    assert list(take_requests(tmp_path, QUIET)) == []
    assert not is_asked_for(tmp_path, REQUEST.id)


@pytest.mark.parametrize(
    "request_",
    [
        WaveformRequest("", REQUEST.id), WaveformRequest("a/b", REQUEST.id), WaveformRequest("+", REQUEST.id),
        WaveformRequest("#", REQUEST.id), WaveformRequest("a\n", REQUEST.id), WaveformRequest("x" * 129, REQUEST.id),
        WaveformRequest("a1", ""), WaveformRequest("a1", "../../etc/passwd"), WaveformRequest("a1", "newest"),
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path, request_):
    """A note is a file and becomes a topic: neither of them anywhere else."""
    with pytest.raises(DataError, match="expected the id of one and its agent's name"):
        ask_for(tmp_path, request_)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"agent": "a/b", "id": "0123456789abcdef"}',
        b'{"agent": 3, "id": 4}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_note_is_removed(tmp_path, content):
    """It would be looked at five times a second, for ever."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.json").write_bytes(content)
    assert list(take_requests(tmp_path, QUIET)) == []
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_note_that_cannot_be_taken(tmp_path):
    """A folder, or another user's: it is told of once, costs no other note, and is asked for when it can be taken."""
    said = []
    faults = Reminder(said.append)
    (tmp_path / FOLDER / "0.json").mkdir(parents=True)
    ask_for(tmp_path, REQUEST)
    assert list(take_requests(tmp_path, faults)) == [REQUEST]
    assert list(take_requests(tmp_path, faults)) == []
    (line,) = said
    assert line.startswith(
        f"{tmp_path / FOLDER / '0.json'}: expected a note that can be read and removed, got Is a dir"
    )
    (tmp_path / FOLDER / "0.json").rmdir()
    assert list(take_requests(tmp_path, faults)) == []
    (tmp_path / FOLDER / "0.json").mkdir()
    assert list(take_requests(tmp_path, faults)) == []
    assert said == [line, line]


@pytest.mark.parametrize("kind", ["fifo", "socket", "link"])
@pytest.mark.timeout(20)
def test_what_is_no_regular_file_holds_up_nobody(tmp_path, kind):
    """A FIFO gives nothing until somebody writes: it is left and told of, and the others are taken."""
    (tmp_path / FOLDER).mkdir()
    odd = tmp_path / FOLDER / "0.json"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(odd))
    else:
        odd.symlink_to(tmp_path / "elsewhere.json")
        (tmp_path / "elsewhere.json").write_text("{}")
    ask_for(tmp_path, REQUEST)
    said = []
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert list(take_requests(tmp_path, Reminder(said.append))) == [REQUEST]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    (line,) = said
    assert line.startswith(f"{odd}: expected a note that can be read and removed, got ")
    assert line.endswith("; let the user of the collectors write to its folder, or remove it")
    assert os.path.lexists(odd)


def test_a_note_that_may_not_be_removed_is_not_taken(tmp_path, monkeypatch):
    """Its agent would be asked again and again."""
    ask_for(tmp_path, REQUEST)

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    said = []
    assert list(take_requests(tmp_path, Reminder(said.append))) == []
    assert "got Permission denied; let the user of the collectors write to its folder" in said[0]
    assert is_asked_for(tmp_path, REQUEST.id)


def test_a_collector_asks_and_keeps_the_answer(tmp_path, broker, peer):
    """Through a real broker: a note, a request, an answer, a row."""
    topics = TopicsSection()
    peer.subscribe("enginear/a1/evidence/get")
    stopping = threading.Event()
    subscribed = threading.Event()
    intake = Intake(
        BrokerAddress(host="127.0.0.1", port=broker.port), name="asking", filters=topic_filters(topics), group="asking",
        on_subscribed=subscribed.set,
    )  # fmt: skip
    spool = Spool(tmp_path / "spool")
    plan = CollectorPlan(root=tmp_path / "data", name="c")
    collector = threading.Thread(
        target=Collector(plan, spool, intake, tell=lambda _: None, outage=QUIET, notes=QUIET).run, args=(stopping,)
    )
    collector.start()
    try:
        assert subscribed.wait(30)
        ask_for(tmp_path / "data", REQUEST)
        assert json.loads(peer.next().payload) == {"schema": 1, "id": REQUEST.id}
        peer.publish("enginear/a1/evidence/data", b"chunk")
        for _ in range(600):
            if spool.n:
                break
            stopping.wait(0.05)
    finally:
        stopping.set()
        collector.join()
        spool.close()
    table = read_dataset(tmp_path / "data", Kind.EVIDENCE_DATA, source="a1").table
    assert table["payload"].to_pylist() == [b"chunk"]
