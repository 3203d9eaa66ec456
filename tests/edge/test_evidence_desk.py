"""The evidence desk: writes and ships in a thread of its own, refuses what is no request, and hurts nothing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgpack
import pytest

from edge_agent.assessment import Assessment
from edge_agent.config import AgentConfig
from edge_agent.errors import WireError
from edge_agent.evidence import Evidence
from edge_agent.evidence_desk import EvidenceDesk
from edge_agent.evidence_request import CHUNK_BYTES, decode_request
from edge_agent.evidence_shipment import MOST_WAITING, Shipper
from edge_agent.evidence_store import FOLDER, EvidenceStore
from edge_agent.health import Counters, Health
from edge_agent.inbox import Arrival
from edge_agent.publication import Grade, Publication
from edge_agent.waveform_ring import Snapshot
from ground.errors import DataError
from ground.received_evidence import write_received

WAIT_S = 30.0
GET = "enginear/a1/evidence/get"


def ask(name: str) -> Arrival:
    """A request."""
    return Arrival(GET, json.dumps({"schema": 1, "id": name}).encode(), 0)


BAD_REQUESTS: list[tuple[str, Arrival, str]] = [
    ("nothing", Arrival(GET, b"", 0), "not_a_request"),
    ("garbage", Arrival(GET, b"\xc1\xff\x00", 0), "not_a_request"),
    ("half a JSON", Arrival(GET, b'{"schema": 1, "id": "new', 0), "not_a_request"),
    ("JSON nested deep", Arrival(GET, b'{"a":' * 200, 0), "not_a_request"),
    ("a list", Arrival(GET, msgpack.packb([1, 2]), 0), "not_a_request"),
    ("another schema", Arrival(GET, b'{"schema": 2, "id": "newest"}', 0), "not_a_request"),
    ("no id", Arrival(GET, b'{"schema": 1}', 0), "not_a_request"),
    ("a field more", Arrival(GET, b'{"schema": 1, "id": "newest", "rate": 1}', 0), "not_a_request"),
    ("a path", Arrival(GET, b'{"schema": 1, "id": "../../etc/passwd"}', 0), "not_a_request"),
    ("an id that is no text", Arrival(GET, b'{"schema": 1, "id": 7}', 0), "not_a_request"),
    ("an id with a line break", Arrival(GET, b'{"schema": 1, "id": "newest\\n"}', 0), "not_a_request"),
    ("too long", Arrival(GET, bytes(1_025), 0), "too_large"),
    ("kept by the broker", Arrival(GET, b'{"schema": 1, "id": "newest"}', 0, retained=True), "retained"),
]


@pytest.mark.parametrize(("arrival", "reason"), [row[1:] for row in BAD_REQUESTS], ids=[row[0] for row in BAD_REQUESTS])
def test_bad_request(arrival: Arrival, reason: str) -> None:
    """Whatever is no request is refused under a reason."""
    with pytest.raises(WireError) as caught:
        decode_request(arrival)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["newest", "0123456789abcdef"])
def test_good_request(name: str) -> None:
    """JSON and msgpack say the same."""
    packed = Arrival(GET, msgpack.packb({"schema": 1, "id": name}), 0)
    assert decode_request(ask(name)) == decode_request(packed) == name


def alert(seq: int = 5) -> Assessment:
    """An alert."""
    return Assessment(
        aircraft="OO-ABC", engine="1", flight="F1", phase="cruise", seq=seq, start_ns=0, end_ns=1, state="alarm",
        reason="", event="raised", score=2.0, threshold=1.0, contributions=(), bundle_id="b/1", bundle_digest="d",
        spec_digest="s",
    )  # fmt: skip


@pytest.fixture
def published() -> SimpleQueue[Publication]:
    """What was published."""
    return SimpleQueue()


@pytest.fixture
def make_desk(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], published: Any
) -> Iterator[Callable[..., tuple[EvidenceDesk, Health]]]:
    """Makes running desks, and ends them."""
    made: list[EvidenceDesk] = []

    def make(**settings: Any) -> tuple[EvidenceDesk, Health]:
        config = make_config(evidence={"ship_kib_s": 1_000_000, **settings})
        health = make_health(config)
        desk = EvidenceDesk(
            config, health, publish=published.put, is_connected=lambda: True, is_waiting=lambda _: False
        )
        desk.start()
        made.append(desk)
        return desk, health

    yield make
    for desk in made:
        assert desk.stop(WAIT_S)


def test_written_announced_and_shipped(make_desk: Any, published: Any, small_bundle: Any, tmp_path: Path) -> None:
    """A snapshot is announced once it lies on disk, and comes in chunks that make up its file again."""
    desk, health = make_desk()
    frames = tuple(small_bundle.frames(120.0))
    desk.save(Snapshot(alert(), frames, 0, reproduces=True))
    announced = published.get(timeout=WAIT_S)
    description = msgpack.unpackb(announced.payload)
    assert (announced.topic, announced.grade) == ("aircraft/OO-ABC/engine/1/evidence", Grade.ALERT)
    (stored,) = EvidenceStore(tmp_path / "state" / FOLDER, max_bytes=1, max_files=1).all()
    assert description == stored.evidence.to_document()
    desk.request(ask(description["id"]))
    n_chunk = -(-description["n_byte"] // CHUNK_BYTES)
    assert n_chunk > 3
    chunks = [published.get(timeout=WAIT_S) for _ in range(n_chunk)]
    assert {(each.topic, each.grade) for each in chunks} == {("enginear/a1/evidence/data", Grade.TELEMETRY)}
    assert max(len(each.payload) for each in chunks) < 256 * 1024
    payloads = [each.payload for each in chunks]
    received = tmp_path / "received.frames"
    assert write_received([*reversed(payloads), payloads[0]], received) == description
    assert received.read_bytes() == stored.path.read_bytes()
    with pytest.raises(DataError, match=r"expected all \d+ chunks"):
        write_received(payloads[1:], received)
    assert desk.stop(WAIT_S)
    assert health.counters.snapshot() == {
        "evidence_chunks_sent": n_chunk, "evidence_requests": 1, "evidence_written": 1,
    }  # fmt: skip


def test_unknown_id_is_answered(make_desk: Any, published: Any) -> None:
    """Who asks for what is gone is told so; who sends garbage is not."""
    desk, health = make_desk()
    desk.request(Arrival(GET, b"garbage", 0))
    desk.request(ask("f" * 16))
    answer = msgpack.unpackb(published.get(timeout=WAIT_S).payload)
    assert answer == {"schema": 1, "agent": "a1", "run": "run1", "id": "f" * 16, "error": "unknown_id"}
    assert desk.stop(WAIT_S)
    assert health.counters.snapshot() == {
        "evidence_requests": 1, "evidence_requests_refused.not_a_request": 1, "evidence_requests_refused.unknown_id": 1,
    }  # fmt: skip


def test_disk_that_refuses(make_desk: Any, published: Any, small_bundle: Any, tmp_path: Path, log_lines: Any) -> None:
    """Evidence that cannot be written is counted and said; the desk goes on."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FOLDER).write_text("in the way")
    desk, health = make_desk()
    for seq in (1, 2):
        desk.save(Snapshot(alert(seq), tuple(small_bundle.frames(1.0)), 0, reproduces=True))
    desk.request(ask("newest"))
    assert msgpack.unpackb(published.get(timeout=WAIT_S).payload)["error"] == "unknown_id"
    assert desk.stop(WAIT_S)
    assert published.empty()
    assert health.counters.snapshot()["evidence_not_written"] == 2
    assert {line["event"] for line in log_lines} == {"evidence not written"}


def test_bad_block(make_desk: Any, published: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that the disk does not give is counted once; requests are answered nevertheless."""
    folder = tmp_path / "state" / FOLDER
    folder.mkdir(parents=True)
    (folder / f"00000001-{'0' * 16}.frames").write_bytes(b"frames")

    def refuse(path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    desk, health = make_desk()
    for _ in range(2):
        desk.request(ask("newest"))
        assert msgpack.unpackb(published.get(timeout=WAIT_S).payload)["error"] == "unknown_id"
    assert health.counters.snapshot()["evidence_not_read"] == 1


def test_what_waits_is_bounded_and_written_at_the_end(make_desk: Any, small_bundle: Any, published: Any) -> None:
    """Snapshots that find too many bytes waiting are lost, and counted; those that wait are written."""
    desk, health = make_desk(memory_mib=1, max_mib=10)
    frames = tuple(small_bundle.frames(60.0))
    with desk._lock:
        desk._waiting_bytes = 700_000
    desk.save(Snapshot(alert(1), frames, 0, reproduces=True))
    with desk._lock:
        desk._waiting_bytes = 0
    desk.save(Snapshot(alert(2), frames, 0, reproduces=True))
    assert desk.stop(WAIT_S)
    assert health.counters.snapshot() == {"evidence_lost.busy": 1, "evidence_written": 1}
    assert msgpack.unpackb(published.get(timeout=WAIT_S).payload)["seq"] == 2


class Clocked:
    """A shipper whose clock and link are the test's."""

    def __init__(self, store: EvidenceStore) -> None:
        self.sent: list[Publication] = []
        self.counters = Counters()
        self.connected = True
        self.waiting: Publication | None = None
        self.shipper = Shipper(
            store, topic="data", agent="a1", run="r", rate=CHUNK_BYTES, expiry_s=1, counters=self.counters,
            publish=self.sent.append, is_connected=lambda: self.connected, is_waiting=lambda each: each is self.waiting,
        )  # fmt: skip

    def run(self, duration_s: int, *, since_s: float = 0.0) -> None:
        """Turn whenever the shipper asks for it."""
        now_s = since_s
        while now_s < since_s + duration_s:
            self.shipper.turn(now_s)
            now_s += max(self.shipper.wait_s(now_s, 1.0), 1e-3)


@pytest.fixture
def clocked(tmp_path: Path) -> Clocked:
    """A store with one snapshot of 20 chunks."""
    store = EvidenceStore(tmp_path / "evidence", max_bytes=10**8, max_files=10)
    store.tidy()
    snapshot = Snapshot(alert(), (), 0, reproduces=True)
    fields: dict[str, Any] = {
        name: getattr(snapshot.alert, name, 0) for name in Evidence.__slots__ if name not in ("n_byte", "sha256")
    }
    evidence = Evidence(**{**fields, "id": "0" * 16, "agent": "a1", "run": "r", "reproduces": True})
    store.write(evidence, lambda: [bytes(20 * CHUNK_BYTES - 4)], n_byte=20 * CHUNK_BYTES)
    return Clocked(store)


def test_rate_is_kept(clocked: Clocked) -> None:
    """A chunk a second, and no more, however many ask."""
    for _ in range(10):
        clocked.shipper.ask("newest")
    clocked.run(10)
    assert 10 <= len([each for each in clocked.sent if len(each.payload) > CHUNK_BYTES]) <= 11
    clocked.run(200, since_s=10.0)
    assert len([each for each in clocked.sent if len(each.payload) > CHUNK_BYTES]) == MOST_WAITING * 20
    assert clocked.counters.snapshot()["evidence_requests_refused.busy"] == 10 - MOST_WAITING


def test_chunks_do_not_pile_up_without_a_link(clocked: Clocked) -> None:
    """While the link is down nothing is queued; a short loss costs nothing, after two minutes nobody waits any more."""
    clocked.shipper.ask("newest")
    clocked.run(5)
    sent_n = len(clocked.sent)
    clocked.connected = False
    clocked.run(60, since_s=5.0)
    assert len(clocked.sent) == sent_n
    clocked.connected = True
    clocked.run(100, since_s=65.0)
    assert len(clocked.sent) == 20
    clocked.shipper.ask("newest")
    clocked.connected = False
    clocked.run(130, since_s=200.0)
    clocked.connected = True
    clocked.run(100, since_s=330.0)
    assert len(clocked.sent) == 20
    assert clocked.counters.snapshot()["evidence_requests_abandoned"] == 1


def test_a_chunk_waits_for_the_one_before(clocked: Clocked) -> None:
    """On a thin link one is on its way, never more; the rest follows each acknowledgement, and no disk keeps any."""
    clocked.shipper.ask("newest")
    for number in range(1, 4):
        while len(clocked.sent) < number:
            clocked.run(1, since_s=10.0 * number)
        clocked.waiting = clocked.sent[-1]
        clocked.run(8, since_s=10.0 * number + 2.0)
        assert len(clocked.sent) == number
        clocked.waiting = None
    clocked.run(100, since_s=100.0)
    assert len(clocked.sent) == 20
    assert not any(each.keep for each in clocked.sent)


def test_a_chunk_that_never_arrives(clocked: Clocked) -> None:
    """After two minutes nobody waits for the rest any more; the next request is served."""
    clocked.shipper.ask("newest")
    clocked.run(2)
    clocked.waiting = clocked.sent[-1]
    n_sent = len(clocked.sent)
    clocked.run(130, since_s=10.0)
    clocked.waiting = None
    clocked.run(30, since_s=200.0)
    assert len(clocked.sent) == n_sent
    assert clocked.counters.snapshot()["evidence_requests_abandoned"] == 1
    clocked.shipper.ask("newest")
    clocked.run(100, since_s=300.0)
    assert len(clocked.sent) == n_sent + 20


def test_file_removed_meanwhile(clocked: Clocked, tmp_path: Path) -> None:
    """A file that goes between the request and its turn costs the request; one that goes later is shipped whole."""
    (path,) = (tmp_path / "evidence").glob("*.frames")
    clocked.shipper.ask("newest")
    clocked.run(5)
    path.unlink()
    clocked.run(30, since_s=5.0)
    assert len(clocked.sent) == 20
    clocked.shipper.ask("newest")
    clocked.run(5, since_s=40.0)
    assert clocked.counters.snapshot()["evidence_requests_refused.unknown_id"] == 1
