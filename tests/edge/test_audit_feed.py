"""The feed of the audit log: each line once, over restarts, rotations and tampering; and the desk that publishes it."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edge_agent import audit_feed, audit_files, trust_desk
from edge_agent.audit import AuditLog
from edge_agent.audit_check import check_log
from edge_agent.audit_feed import AT_ONCE, SENT_FILE, AuditFeed
from edge_agent.audit_files import AUDIT_FILE, parts
from edge_agent.backlog import Entry
from edge_agent.config import AgentConfig
from edge_agent.health import Counters, Health
from edge_agent.outbox import Outbox
from edge_agent.publication import Grade
from edge_agent.strict_json import canonical_json
from edge_agent.trust_desk import TrustDesk
from edge_agent.trust_event import REFUSED, TrustEvent


class Rig:
    """A log, and who reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.noted = 0
        self.restart()

    def restart(self) -> None:
        """A new agent on the same folder."""
        self.counters = Counters()
        self.feed = AuditFeed(self.folder, self.counters)

    def note(self, n: int = 1) -> None:
        """Other processes decide."""
        for _ in range(n):
            AuditLog(self.folder).note(TrustEvent(kind=REFUSED, detail=str(self.noted)))
            self.noted += 1

    def read(self) -> list[int]:
        """Numbers of the decisions that the feed gives now."""
        return [int(fed.line.event.detail) for fed in self.feed.read() if fed.line.event.kind == REFUSED]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """See ``Rig``."""
    return Rig(tmp_path)


def test_each_once(rig: Rig) -> None:
    """From the first one on, also those from before the start."""
    assert rig.read() == []
    rig.note(3)
    assert rig.read() == [0, 1, 2]
    assert rig.read() == []
    rig.note(2)
    assert rig.read() == [3, 4]
    assert str(rig.feed.head) == str(check_log(rig.folder).head)


def test_position_outlives_a_restart(rig: Rig) -> None:
    """What was kept is not given again; what was given and not kept is."""
    rig.note(3)
    rig.read()
    rig.feed.keep()
    rig.note(2)
    assert rig.read() == [3, 4]
    rig.restart()
    assert rig.read() == [3, 4]
    rig.feed.keep()
    rig.restart()
    assert rig.read() == []
    rig.note()
    assert rig.read() == [5]
    assert rig.counters.snapshot() == {}


def test_many_at_once_come_in_parts(rig: Rig) -> None:
    """An agent that was off for long does not fill its outbox with the past."""
    for n in range(2):
        AuditLog(rig.folder).note(*(TrustEvent(kind=REFUSED, detail=str(n * 100 + each)) for each in range(100)))
    given: list[int] = []
    while found := rig.read():
        assert len(found) <= AT_ONCE
        given += found
    assert given == list(range(200))


@pytest.mark.parametrize("reads_each", [1, 3, 10, 40])
@pytest.mark.parametrize("restarts", [False, True])
def test_over_rotations(rig: Rig, monkeypatch: pytest.MonkeyPatch, reads_each: int, *, restarts: bool) -> None:
    """Whichever file a line is in by now, it is given once, in order; nothing is called damaged."""
    monkeypatch.setattr(audit_files, "PART_BYTES", 1_500)
    given: list[int] = []
    for _ in range(40 // reads_each):
        rig.note(reads_each)
        while found := rig.read():
            given += found
        rig.feed.keep()
        if restarts:
            rig.restart()
    assert len(parts(rig.folder)) > 5
    assert given == list(range(rig.noted))
    assert rig.counters.snapshot() == {}


def test_lines_that_made_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went while the agent was off is missing, and its numbers say so; that is no damage."""
    rig.note(2)
    rig.read()
    rig.feed.keep()
    monkeypatch.setattr(audit_files, "PART_BYTES", 1_500)
    monkeypatch.setattr(audit_files, "PARTS", 2)
    rig.note(30)
    rig.restart()
    given = rig.read()
    assert given == list(range(given[0], 32))
    assert given[0] > 2
    assert rig.counters.snapshot() == {}


def test_torn_line_waits(rig: Rig) -> None:
    """A line that is being written, or never was whole, is not given."""
    rig.note()
    rig.read()
    log = rig.folder / AUDIT_FILE
    with log.open("ab") as stream:
        stream.write(b'{"half')
    assert rig.read() == []
    rig.note()
    assert rig.read() == [1]
    assert rig.counters.snapshot() == {}


def swap_lines(log: Path) -> None:
    """Exchange the last two lines."""
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:-2], lines[-1], lines[-2]]))


def cut_short(log: Path) -> None:
    """Keep two lines."""
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))


def edit_last(log: Path) -> None:
    """Another detail, as long."""
    log.write_bytes(log.read_bytes().replace(b'"detail":"3"', b'"detail":"9"'))


def rewrite(log: Path) -> None:
    """Another log, whole in itself, as long."""
    n = len(log.read_bytes().splitlines())
    log.unlink()
    for number in range(n):
        AuditLog(log.parent).note(TrustEvent(kind=REFUSED, detail=f"{90 + number}"))


TAMPERING: list[tuple[str, Callable[[Path], object], list[int], str]] = [
    ("written anew", rewrite, [90, 91, 92, 93], "audit_rewound"),
    ("cut short", cut_short, [0, 1], "audit_rewound"),
    ("emptied", lambda log: log.write_bytes(b""), [], "audit_rewound"),
    ("the last line edited", edit_last, [0, 1, 2, 9], "audit_rewound"),
    ("nonsense appended", lambda log: log.write_bytes(log.read_bytes() + b"nonsense\n"), [], "audit_damaged"),
    ("swapped", swap_lines, [2], "audit_damaged"),
]  # fmt: skip


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(("name", "tamper", "given", "fault"), TAMPERING, ids=[row[0] for row in TAMPERING])
def test_tampering_is_told(
    rig: Rig, name: str, tamper: Callable[[Path], object], given: list[int], fault: str, *, restarts: bool
) -> None:
    """What was sent and is gone, or does not fit, is counted; the ground gets what stands there now."""
    rig.note(4)
    rig.read()
    rig.feed.keep()
    if restarts:
        tamper(rig.folder / AUDIT_FILE)
        rig.restart()
    else:
        log = rig.folder / AUDIT_FILE
        copy = log.with_name("copy")
        copy.write_bytes(log.read_bytes())
        log.unlink()
        copy.rename(log)
        tamper(log)
    assert rig.read() == given, name
    assert rig.counters.snapshot()[fault] > 0


@pytest.mark.parametrize("content", [b"", b"x", b"3:zz\n", b"\xff" * 999, b"999999999999999999999:" + b"0" * 64])
def test_damaged_position(rig: Rig, content: bytes) -> None:
    """Better twice than never."""
    rig.note(2)
    rig.read()
    rig.feed.keep()
    (rig.folder / SENT_FILE).write_bytes(content)
    rig.restart()
    assert rig.read() == [0, 1]


class Desk:
    """A desk with a real outbox, and nobody who sends."""

    def __init__(self, config: AgentConfig, health: Health) -> None:
        self.config, self.health = config, health
        self.outbox = Outbox(1_000)
        self.desk = TrustDesk(config, health, self.outbox)

    def tick(self) -> list[dict[str, Any]]:
        """What is published now."""
        publications = self.desk.tick()
        self.outbox.add(*publications)
        assert all(each.grade == Grade.ALERT and each.topic == "enginear/a1/trust" for each in publications)
        return [json.loads(each.payload) for each in publications]

    def note(self) -> None:
        """Another process decides."""
        AuditLog(self.config.agent.state_dir).note(TrustEvent(kind=REFUSED, reason="expired"))

    @property
    def position(self) -> str:
        """What is on disk."""
        path = self.config.agent.state_dir / SENT_FILE
        return path.read_text() if path.exists() else ""


@pytest.fixture
def make_desk(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]
) -> Callable[..., Desk]:
    """Makes desks of one state folder."""

    def make(**tables: dict[str, Any]) -> Desk:
        config = make_config(**tables)
        return Desk(config, make_health(config))

    return make


def test_published_with_its_hash(make_desk: Callable[..., Desk]) -> None:
    """The message holds all that it takes to rebuild line and chain; kinds are counted, the head told."""
    desk = make_desk()
    desk.note()
    desk.note()
    first, second = desk.tick()
    assert (first["agent"], first["fleet"], first["run"]) == ("a1", "test", desk.health.identity.run)
    assert second["record"]["before"] == first["hash"]
    raw = (desk.config.agent.state_dir / AUDIT_FILE).read_bytes().splitlines()
    assert [canonical_json(each["record"]) for each in (first, second)] == raw
    assert desk.health.counters.snapshot() == {"trust.refused": 2}
    assert desk.health.document({})["audit_head"] == f"1:{second['hash']}"


def test_position_waits_for_broker_or_journal(make_desk: Callable[..., Desk]) -> None:
    """What is in memory alone would be lost by a kill: it counts as sent only when it is safe."""
    desk = make_desk()
    desk.note()
    [sent] = desk.tick()
    desk.tick()
    assert desk.position == ""
    [publication] = desk.outbox.take(1)
    desk.outbox.sent(1, publication)
    desk.tick()
    assert desk.position == ""
    desk.outbox.acknowledge(1)
    desk.tick()
    assert desk.position == f"0:{sent['hash']}\n"
    desk.note()
    desk.tick()
    entries: list[Entry] = desk.outbox.unkept(0.0)
    desk.outbox.kept(entries, [("alert", 1)])  # type: ignore[list-item]
    desk.desk.close()
    assert desk.position.startswith("1:")


def test_disk_that_refuses_the_position(make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised; after a restart it is sent again."""
    desk = make_desk()
    desk.note()
    desk.tick()
    desk.outbox.sent(1, desk.outbox.take(1)[0])
    desk.outbox.acknowledge(1)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(audit_feed, "replace_file", full)
        desk.tick()
    assert desk.position == ""
    assert len(make_desk().tick()) == 1


def test_expired_bundle_is_told_once(make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    """From the day after its last one on, in the status, and by one line of the log."""
    monkeypatch.setattr(trust_desk, "today", lambda: date(2026, 11, 29))
    for expires, expired in (("2026-11-29", []), ("2026-11-28", ["expired"]), ("2026-11-28", []), ("", [])):
        desk = make_desk()
        desk.health.identity = replace(desk.health.identity, expires=expires)
        kinds = [each["record"]["kind"] for each in desk.tick()]
        desk.outbox.sent(1, desk.outbox.take(1)[0]) if kinds else None
        desk.outbox.acknowledge(1)
        desk.tick()
        assert kinds == expired
        assert desk.health.document({})["bundle_expired"] == (expires == "2026-11-28")


def test_slots_in_the_status(make_desk: Callable[..., Desk]) -> None:
    """Unused, empty, or unreadable, and why."""
    assert make_desk().tick() == []
    desk = make_desk(bundle={"slots": True, "path": "/dev/null"})
    desk.tick()
    assert desk.health.document({})["slots"]["stage"] == "empty"
    folder = desk.config.agent.state_dir / "bundles"
    folder.mkdir(parents=True)
    (folder / "state.0").write_bytes(b"?")
    desk.tick()
    slots = desk.health.document({})["slots"]
    assert (slots["stage"], slots["error"]) == ("unreadable", "state_corrupt")
    assert canonical_json(slots)
