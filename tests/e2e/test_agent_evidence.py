"""Evidence and summaries as they fly: a real agent, a real broker, and the very bytes of the alert from a replay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack

from edge_agent.evidence import Evidence
from edge_agent.evidence_store import EvidenceStore
from edge_agent.frame_file import read_blocks
from edge_agent.result import RUNTIME
from edge_agent.wire import encode_frame
from ground.received_evidence import write_received

ROOT = Path(__file__).resolve().parents[2]
INPUT = "aircraft/OO-ABC/engine/1/vibration"
ALERT = "aircraft/OO-ABC/engine/1/alert"
EVIDENCE = "aircraft/OO-ABC/engine/1/evidence"
FLIGHT = "aircraft/OO-ABC/engine/1/flight"
GET = "enginear/a1/evidence/get"
DATA = "enginear/a1/evidence/data"
STATUS = "enginear/a1/status"


def edge_agent(*arguments: str) -> str:
    """What the command says."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


def without_runtime(payload: bytes) -> bytes:
    """A result as a replay gives it."""
    document = msgpack.unpackb(payload)
    del document[RUNTIME]
    return bytes(msgpack.packb(document))


def test_from_alert_to_replay(broker: Any, peer: Any, make_agent: Any, small_bundle: Any, tmp_path: Path) -> None:
    """An alert, its announcement, the waveform on request, and a replay that gives the alert again, to the byte."""
    agent = make_agent(broker.port)
    agent.start()
    agent.notified(b"READY=1")
    for topic in (STATUS, ALERT, EVIDENCE, FLIGHT, DATA):
        peer.subscribe(topic)
    peer.next_where(lambda message: b'"online"' in message.payload)
    for frame in small_bundle.frames(60.0, faulty_from_s=40.0):
        peer.publish(INPUT, encode_frame(frame))
    alert = peer.next_where(lambda message: message.topic == ALERT).payload
    announced = msgpack.unpackb(peer.next_where(lambda message: message.topic == EVIDENCE).payload)
    assert announced["reproduces"]
    assert (announced["seq"], announced["run"]) == (
        msgpack.unpackb(alert)["seq"], msgpack.unpackb(alert)[RUNTIME]["run"],
    )  # fmt: skip

    peer.publish(GET, b"garbage")
    peer.publish(GET, json.dumps({"schema": 1, "id": announced["id"]}).encode())
    chunks = [peer.next_where(lambda message: message.topic == DATA).payload]
    while len(chunks) < msgpack.unpackb(chunks[0])["chunks"]:
        chunks.append(peer.next_where(lambda message: message.topic == DATA).payload)
    received = tmp_path / "received.frames"
    assert write_received(chunks, received) == announced

    config = ["--config", str(agent.config)]
    listed = json.loads(edge_agent("evidence", "list", "--json", *config))
    assert listed["evidence"] == [announced]
    assert announced["id"] in edge_agent("evidence", "list", *config)
    exported = tmp_path / "exported.frames"
    assert f"--first-seq {announced['first_seq']}" in edge_agent("evidence", "export", "--out", str(exported), *config)
    assert exported.read_bytes() == received.read_bytes()
    out = tmp_path / "replayed.bin"
    edge_agent(
        "replay", "--bundle", str(small_bundle.path), "--key", str(small_bundle.key), "--frames", str(received),
        "--first-seq", str(announced["first_seq"]), "--out", str(out),
    )  # fmt: skip
    assert without_runtime(alert) in list(read_blocks(out))

    assert agent.stop() == 0
    summary = msgpack.unpackb(peer.next_where(lambda message: message.topic == FLIGHT).payload)
    assert (summary["ended"], summary["raised"]) == ("stopped", 1)
    assert summary["alerts"][0][2] == announced["id"]
    counters = agent.status()["counters"]
    assert counters["evidence_requests_refused.not_a_request"] == 1
    assert counters["frames_received"] == 600


def test_missing_or_damaged_evidence_is_not_exported(make_agent: Any, tmp_path: Path) -> None:
    """No snapshot, or one whose file was changed, is said with the code for bad input; nothing is written."""
    agent = make_agent(1)
    out = tmp_path / "out.frames"
    command = [sys.executable, "-m", "edge_agent", "evidence", "export", "--config", str(agent.config)]
    missing = subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (missing.returncode, missing.stderr[:20]) == (6, "edge-agent: newest: ")
    store = EvidenceStore(agent.state_dir / "evidence", max_bytes=10**6, max_files=10)
    fields: dict[str, Any] = dict.fromkeys(Evidence.__slots__, "")
    whole = dict.fromkeys(("seq", "start_ns", "end_ns", "first_ns", "last_ns", "n_frame", "first_seq", "n_byte"), 0)
    reals = {"score": 0.0, "threshold": 0.0, "reproduces": True, "id": "0" * 16}
    store.write(Evidence(**{**fields, **whole, **reals}), lambda: [b"whole"], n_byte=9)
    store.all()[0].path.write_bytes(b"other")
    damaged = subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (damaged.returncode, "damaged" in damaged.stderr) == (6, True)
    assert not out.exists()
