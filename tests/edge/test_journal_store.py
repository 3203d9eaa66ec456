"""The journal's store: numbers, arrivals, quota by grade, restarts. Real files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.publication import Grade, Publication

KIB = 1024
ROOMY = 1024 * KIB


def message(name: str, grade: Grade = Grade.RESULT, n_bytes: int = 10) -> Publication:
    """A publication with a topic of its own."""
    return Publication(topic=name, payload=bytes(n_bytes), grade=grade)


def opened(folder: Path, max_bytes: int = ROOMY) -> JournalStore:
    """A store as a new process opens it."""
    store = JournalStore(folder, max_bytes)
    store.open()
    return store


def topics(store: JournalStore, n: int = 1_000, held: tuple[RecordId, ...] = ()) -> list[str]:
    """Topics of the next records to send."""
    return [publication.topic for _, publication in store.read(n, ROOMY, held)]


def test_nothing_is_made_before_there_is_something(tmp_path: Path) -> None:
    """An agent whose broker takes everything has no journal on its disk."""
    assert topics(opened(tmp_path / "journal")) == []
    assert list(tmp_path.iterdir()) == []


def test_restart_gives_what_has_not_arrived(tmp_path: Path) -> None:
    """After a restart, what arrived is left out and the rest comes in the order of its numbers."""
    store = opened(tmp_path)
    records = [
        *store.write(Grade.RESULT, [message(name) for name in "abc"]),
        *store.write(Grade.RESULT, [message("d")]),
    ]
    store.acknowledge([records[1]])
    again = opened(tmp_path)
    assert again.waiting(Grade.RESULT) == 3
    assert topics(again) == ["a", "c", "d"]
    assert topics(again) == []


def test_numbers_survive_restarts(tmp_path: Path) -> None:
    """A number is never given twice, also when all that had one has arrived."""
    for start in range(5):
        store = opened(tmp_path)
        records = store.write(Grade.RESULT, [message("a"), message("b")])
        assert [record.number for record in records] == [2 * start + 1, 2 * start + 2]
        store.acknowledge(records)
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_best_grade_first(tmp_path: Path) -> None:
    """Alerts are sent before results, results before telemetry; within a grade the oldest first."""
    store = opened(tmp_path)
    for name, grade in (("t1", Grade.TELEMETRY), ("r1", Grade.RESULT), ("a1", Grade.ALERT), ("r2", Grade.RESULT)):
        store.write(grade, [message(name, grade)])
    assert topics(store, n=3) == ["a1", "r1", "r2"]
    store.write(Grade.ALERT, [message("a2", Grade.ALERT)])
    assert topics(store) == ["a2", "t1"]


def test_held_records_are_left_out(tmp_path: Path) -> None:
    """What is on its way is not read, and not read later either."""
    store = opened(tmp_path)
    records = store.write(Grade.RESULT, [message(name) for name in "abc"])
    assert topics(store, held=(records[1],)) == ["a", "c"]
    assert topics(store) == []


def test_read_stops_at_a_number_of_bytes(tmp_path: Path) -> None:
    """Large records come one at a time."""
    store = opened(tmp_path)
    store.write(Grade.RESULT, [message(name, n_bytes=100) for name in "abc"])
    assert [publication.topic for _, publication in store.read(10, 150, ())] == ["a", "b"]
    assert [publication.topic for _, publication in store.read(10, 150, ())] == ["c"]


def fill(store: JournalStore, grade: Grade, n: int) -> None:
    """Write ``n`` records of 4 KiB, eight at a time."""
    for start in range(0, n, 8):
        names = (str(number) for number in range(start, min(start + 8, n)))
        assert store.write(grade, [message(name, grade, 4 * KIB) for name in names])


QUOTAS: list[tuple[str, list[tuple[Grade, int]], set[Grade]]] = [
    ("all fit", [(Grade.TELEMETRY, 70), (Grade.RESULT, 70), (Grade.ALERT, 70)], set()),
    ("results push the oldest results out", [(Grade.RESULT, 500)], {Grade.RESULT}),
    ("telemetry pushes telemetry out", [(Grade.ALERT, 200), (Grade.TELEMETRY, 100)], {Grade.TELEMETRY}),
    ("telemetry goes first", [(Grade.TELEMETRY, 100), (Grade.RESULT, 100), (Grade.ALERT, 100)], {Grade.TELEMETRY}),
    ("then results", [(Grade.TELEMETRY, 80), (Grade.RESULT, 80), (Grade.ALERT, 200)], {Grade.TELEMETRY, Grade.RESULT}),
    ("alerts push alerts out last", [(Grade.RESULT, 80), (Grade.ALERT, 400)], {Grade.RESULT, Grade.ALERT}),
]


@pytest.mark.parametrize(("steps", "losers"), [row[1:] for row in QUOTAS], ids=[row[0] for row in QUOTAS])
def test_quota(tmp_path: Path, steps: list[tuple[Grade, int]], losers: set[Grade]) -> None:
    """Beyond the quota the oldest of the lowest grade goes, a small part at a time, and every one of it is counted."""
    store = opened(tmp_path, max_bytes=ROOMY)
    for grade, n in steps:
        fill(store, grade, n)
    assert sum(-(-path.stat().st_size // 4096) * 4096 for path in tmp_path.iterdir()) == store.size_bytes <= ROOMY
    assert {grade for grade, n in store.dropped.items() if n} == losers
    assert store.size_bytes > 0.85 * ROOMY or not losers
    kept = [publication for _, publication in opened(tmp_path).read(10_000, 10**9, ())]
    for grade, n in steps:
        expected = [str(number) for number in range(store.dropped[grade], n)]
        assert [publication.topic for publication in kept if publication.grade == grade] == expected


def test_quota_full_of_alerts(tmp_path: Path) -> None:
    """Results find no room where alerts have it all; they are refused, and no alert goes."""
    store = opened(tmp_path, max_bytes=ROOMY)
    fill(store, Grade.ALERT, 200)
    assert store.write(Grade.RESULT, [message("r", n_bytes=ROOMY // 2)]) == ()
    assert (store.waiting(Grade.ALERT), store.waiting(Grade.RESULT)) == (200, 0)


def test_quota_does_not_count_what_was_read(tmp_path: Path) -> None:
    """A record that is in memory already is not lost when its segment goes."""
    store = opened(tmp_path, max_bytes=ROOMY)
    fill(store, Grade.RESULT, 200)
    assert len(store.read(100, 10**9, ())) == 100
    fill(store, Grade.ALERT, 150)
    n_gone = 200 - store.waiting(Grade.RESULT)
    assert n_gone > 100
    assert store.dropped[Grade.RESULT] == n_gone - 100


def test_larger_than_the_quota(tmp_path: Path) -> None:
    """What can never fit is refused, and pushes nothing out."""
    store = opened(tmp_path, max_bytes=ROOMY)
    store.write(Grade.RESULT, [message("a")])
    assert store.write(Grade.ALERT, [message("b", Grade.ALERT, 2 * ROOMY)]) == ()
    assert store.waiting(Grade.RESULT) == 1


def test_arrived_segments_are_deleted(tmp_path: Path) -> None:
    """Disk space comes back as records arrive, in whatever order; the last segment stays."""
    store = opened(tmp_path)
    fill(store, Grade.RESULT, 100)
    records = [RecordId(Grade.RESULT, number) for number in range(1, 101)]
    n_files = len(list(tmp_path.glob("*.log")))
    store.acknowledge(records[50:])
    assert 1 < len(list(tmp_path.glob("*.log"))) < n_files
    store.acknowledge(records[:50])
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert opened(tmp_path).waiting(Grade.RESULT) == 0


def test_unreadable_segment(tmp_path: Path) -> None:
    """A segment that cannot be read is counted and hides no other; its number is not given again."""
    store = opened(tmp_path)
    store.write(Grade.RESULT, [message("a")])
    (path,) = tmp_path.glob("*.log")
    path.unlink()
    path.mkdir()
    store = opened(tmp_path)
    assert store.unreadable == 1
    assert [record.number for record in store.write(Grade.RESULT, [message("b")])] == [2]
    assert topics(opened(tmp_path)) == ["b"]


def test_segment_that_vanishes(tmp_path: Path) -> None:
    """Somebody who tidies up costs the records that were there, and nothing else."""
    store = opened(tmp_path)
    store.write(Grade.ALERT, [message("a", Grade.ALERT)])
    store.write(Grade.RESULT, [message("r")])
    next(tmp_path.glob("alert*")).unlink()
    assert topics(store) == ["r"]
    assert store.unreadable == 1


def test_strangers_are_left_alone(tmp_path: Path) -> None:
    """Files of another version, and of other people, are neither read nor deleted."""
    names = {"result-00000000000000000001.v2.log", "result-1.v1.log", "notes.txt"}
    for name in names:
        (tmp_path / name).write_text("x")
    store = opened(tmp_path)
    store.acknowledge(store.write(Grade.RESULT, [message("a")]))
    assert (store.unreadable, store.damaged) == (0, 0)
    assert names < {path.name for path in tmp_path.iterdir()}


def test_on_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When ``write`` returns, the bytes were synced after they were written, and so was the new name."""
    calls: list[tuple[str, str]] = []
    for name in ("write", "fdatasync", "fsync"):
        plain = getattr(os, name)

        def note(descriptor: int, *rest: Any, plain: Any = plain, name: str = name) -> Any:
            calls.append((name, Path(f"/proc/self/fd/{descriptor}").readlink().name))
            return plain(descriptor, *rest)

        monkeypatch.setattr(os, name, note)
    store = opened(tmp_path / "journal")
    records = store.write(Grade.RESULT, [message("a"), message("b")])
    log = "result-00000000000000000001.v1.log"
    assert calls == [("fsync", tmp_path.name), ("write", log), ("fdatasync", log), ("fsync", "journal")]
    calls.clear()
    store.write(Grade.RESULT, [message("c")])
    store.acknowledge(records)
    arrived = log.replace("log", "arrived")
    assert calls == [("write", log), ("fdatasync", log), ("write", arrived), ("fdatasync", arrived)]


def test_arrivals_without_records(tmp_path: Path) -> None:
    """Who removes records by hand, and not what had arrived of them, does not lose the next ones by the same name."""
    store = opened(tmp_path)
    store.acknowledge(store.write(Grade.RESULT, [message("a"), message("b")]))
    next(tmp_path.glob("*.log")).unlink()
    store = opened(tmp_path)
    assert [record.number for record in store.write(Grade.RESULT, [message("c")])] == [1]
    assert topics(opened(tmp_path)) == ["c"]
