"""``edge-agent spool``: what it prints and exports, its codes, and that it only looks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from edge_agent.cli import main
from edge_agent.exit_code import ExitCode
from edge_agent.frame_file import read_blocks
from edge_agent.journal_store import JournalStore
from edge_agent.publication import JSON, Grade, Publication

ROOMY = 1024 * 1024
LIVE = {"schema": 1, "score": 0.5, "runtime": {"run": "r1", "historical": False}}
LATE = {"schema": 1, "score": 0.5, "runtime": {"run": "r1", "historical": True}}
PUBLICATIONS = [
    Publication(topic="result", payload=bytes(msgpack.packb(LIVE))),
    Publication(topic="result", payload=b"\xc1 no msgpack"),
    Publication(topic="alert", payload=bytes(msgpack.packb(LIVE)), grade=Grade.ALERT),
    Publication(topic="drift", payload=b'{"a": 1}', content_type=JSON, grade=Grade.TELEMETRY),
    Publication(topic="waveform", payload=bytes(msgpack.packb({"samples": b"\x01"})), grade=Grade.TELEMETRY),
]

Spool = Callable[..., tuple[int, str]]


@pytest.fixture
def spool(tmp_path: Path, small_bundle: Any, capsys: pytest.CaptureFixture[str]) -> Spool:
    """Runs ``edge-agent spool``; gives its exit code and standard output."""
    config = tmp_path / "agent.toml"
    config.write_text(
        f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\npath = '{small_bundle.path}'\nkeys = ['{small_bundle.key}']\n"
    )

    def run(action: str, *options: object) -> tuple[int, str]:
        code = main(["spool", action, "--config", str(config), *map(str, options)])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def store(tmp_path: Path) -> JournalStore:
    """The journal of an agent that runs: two results, an alert, two pieces of telemetry, a result that has arrived."""
    store = JournalStore(tmp_path / "state" / "journal", ROOMY)
    store.open()
    for publication in PUBLICATIONS:
        store.write(publication.grade, [publication])
    store.acknowledge(store.write(Grade.RESULT, [PUBLICATIONS[0]]))
    return store


def test_agent_that_never_ran(spool: Spool, tmp_path: Path) -> None:
    """Without a journal nothing waits, nothing is damaged, and nothing is made but the export."""
    assert spool("check") == (ExitCode.OK, "0 segments, 0 waiting, 0 damaged\n")
    assert json.loads(spool("stats", "--json")[1])["waiting"] == {"telemetry": 0, "result": 0, "alert": 0}
    out = tmp_path / "out"
    assert spool("export", "--out", out) == (ExitCode.OK, f"0 records written to {out}\n")
    assert out.read_bytes() == b""
    assert not (tmp_path / "state").exists()


def test_stats(spool: Spool, store: JournalStore) -> None:
    """What waits is told by grade; what has arrived does not wait."""
    code, out = spool("stats", "--json")
    assert code == ExitCode.OK
    assert json.loads(out) == {
        "enabled": True, "max_mib": 64, "bytes": store.size_bytes, "waiting": {"telemetry": 2, "result": 2, "alert": 1},
    }  # fmt: skip
    assert spool("stats")[1].splitlines()[1:] == [
        "  telemetry    2 waiting",
        "  result       2 waiting",
        "  alert        1 waiting",
    ]


@pytest.mark.usefixtures("store")
def test_check(spool: Spool, tmp_path: Path) -> None:
    """A sound journal is OK; a flipped byte has a code of its own; a torn end, as any kill may leave it, is told."""
    code, out = spool("check", "--json")
    assert code == ExitCode.OK
    document = json.loads(out)
    assert (document["waiting"], document["damaged"], document["torn"]) == (5, 0, 0)
    assert [each["grade"] for each in document["segments"]] == ["alert", "result", "telemetry"]
    path = next((tmp_path / "state" / "journal").glob("result*.log"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    code, out = spool("check")
    assert code == ExitCode.OK
    assert "torn bytes at the end" in out
    path.write_bytes(whole[:10] + bytes([whole[10] ^ 1]) + whole[11:])
    code, out = spool("check")
    assert code == ExitCode.JOURNAL_DAMAGED == 8
    assert out.splitlines()[-1] == "3 segments, 4 waiting, 1 damaged"


def test_export_lines(spool: Spool, store: JournalStore, tmp_path: Path) -> None:
    """Alerts first, each line with the payload as it would be sent, and readable where JSON can hold it."""
    out = tmp_path / "out.jsonl"
    code, said = spool("export", "--out", out, "--json")
    assert (code, json.loads(said)) == (ExitCode.OK, {"records": 5, "file": str(out)})
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["grade"], line["number"], line["topic"]) for line in lines] == [
        ("alert", 1, "alert"), ("result", 1, "result"), ("result", 2, "result"),
        ("telemetry", 1, "drift"), ("telemetry", 2, "waveform"),
    ]  # fmt: skip
    assert [line.get("document") for line in lines] == [LATE, LATE, None, {"a": 1}, None]
    assert msgpack.unpackb(base64.b64decode(lines[0]["payload"])) == LATE
    # It only looked.
    assert len(store.read(10, ROOMY, ())) == 5


@pytest.mark.usefixtures("store")
def test_export_blocks(spool: Spool, tmp_path: Path) -> None:
    """The payloads alone, each with its length before it, as replay writes them."""
    out = tmp_path / "out.blocks"
    assert spool("export", "--out", out, "--format", "blocks")[0] == ExitCode.OK
    blocks = list(read_blocks(out))
    assert len(blocks) == 5
    assert [msgpack.unpackb(block) for block in blocks[:2]] == [LATE, LATE]
    assert blocks[3] == b'{"a": 1}'


@pytest.mark.usefixtures("store")
def test_export_to_nowhere(spool: Spool, tmp_path: Path) -> None:
    """A file that cannot be written is bad input."""
    assert spool("export", "--out", tmp_path / "none" / "out")[0] == ExitCode.BAD_INPUT


@pytest.mark.usefixtures("spool")
def test_journal_that_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is told in a line that says where."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal").write_text("x")
    assert main(["spool", "check", "--config", str(tmp_path / "agent.toml")]) == ExitCode.USAGE
    assert "expected a journal that can be read" in capsys.readouterr().err
