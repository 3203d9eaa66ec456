"""Batches as files: one row a message, whatever the message holds, and the same files when done again."""

from __future__ import annotations

import copy
import json
import math
import random
import threading

import msgpack
import pyarrow.parquet as pq
import pytest

from edge_agent.publication import JSON, Publication
from edge_agent.topics_section import TopicsSection
from ground.errors import DataError
from ground.fleet.collect import dataset, parts
from ground.fleet.collect.dataset import COMPACTED, compact, read_dataset
from ground.fleet.collect.kinds import COLLECTED, Kind, origin_of, topic_filters
from ground.fleet.collect.parts import write_parts
from ground.fleet.collect.rows import WINDOW_SCHEMA
from tests.ground.collect.conftest import DATE, RESULT

TOPICS = TopicsSection()
DAY = "2026-01-02"


def write(messages, root, name="c-1"):
    """A batch."""
    return write_parts(messages, root, name=name, date=DAY, topics=TOPICS)


def files(root):
    """Paths and contents of the dataset."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}


def changed(payload, **fields):
    """A result with other fields; a field that is ``...`` is left out."""
    document = {**msgpack.unpackb(payload), **fields}
    return bytes(msgpack.packb({name: value for name, value in document.items() if value is not ...}))


def timed(payload, **fields):
    """A result with other fields of its runtime."""
    runtime = changed(msgpack.packb(msgpack.unpackb(payload)["runtime"]), **fields)
    return changed(payload, runtime=msgpack.unpackb(runtime))


def test_a_window_keeps_every_field(tmp_path, message):
    """What the agent said stands in columns, in the folder of its aircraft and of the day of its source time."""
    written = write([message(7)], tmp_path)
    assert list(files(tmp_path)) == [f"result/aircraft=OO-ABC/date={DATE}/c-1.parquet"]
    (row,) = read_dataset(tmp_path, Kind.RESULT).table.to_pylist()
    document = msgpack.unpackb(message(7).payload)
    runtime = document.pop("runtime")
    latency = runtime.pop("latency_ms")
    contributions = [{"feature": name, "share": share} for name, share in document.pop("contributions")]
    del document["schema"]
    assert row == {
        **document, **runtime, "contributions": contributions,
        **{f"latency_{name}_ms": value for name, value in latency.items()},
    }  # fmt: skip
    assert (written.rows["result"], written.files, written.repeated) == (1, 1, 0)


@pytest.mark.parametrize("kind", [kind for kind in COLLECTED if not kind.holds_windows])
def test_other_messages_are_kept_as_they_came(kind, tmp_path):
    """By kind and by what their topic names, on the day of the batch."""
    topic = getattr(TOPICS, kind.value).format(aircraft="A", engine="2", agent="g7")
    payload = json.dumps({"schema": 1}).encode()
    write([Publication(topic=topic, payload=payload, content_type=JSON)], tmp_path)
    source = "agent=g7" if kind in {Kind.STATUS, Kind.EVIDENCE_DATA} else "aircraft=A"
    assert list(files(tmp_path)) == [f"{kind.value}/{source}/date={DAY}/c-1.parquet"]
    (row,) = read_dataset(tmp_path, kind).table.to_pylist()
    assert row == {"topic": topic, "content_type": JSON, "payload": payload, "reason": ""}


BAD = {
    "not msgpack": (lambda payload: payload[:-3], "not a window of this schema"),
    "no map": (lambda _: msgpack.packb([1]), "not a window of this schema"),
    "another schema": (lambda payload: changed(payload, schema=2), "not a window of this schema"),
    "a field too few": (lambda payload: changed(payload, score=...), "not a window of this schema"),
    "a field too many": (lambda payload: changed(payload, more=1), "not a window of this schema"),
    "a text for a number": (lambda payload: changed(payload, score="high"), None),
    "a list for a text": (lambda payload: changed(payload, aircraft=["OO"]), None),
    "nothing for a text": (lambda payload: changed(payload, phase=None), "a value is missing"),
    "a number beyond int64": (lambda payload: changed(payload, seq=2**64 - 1), None),
    "before 1970": (lambda payload: changed(payload, end_ns=-1), "not a window of this schema"),
    "after the world": (lambda payload: changed(payload, end_ns=2**63), "not a window of this schema"),
    "a time that is a text": (lambda payload: changed(payload, end_ns="now"), "not a window of this schema"),
    "contributions that are none": (lambda payload: changed(payload, contributions=[["f"]]), None),
    "a share that is a text": (lambda payload: changed(payload, contributions=[["f", "x"]]), None),
    "a number for contributions": (lambda payload: changed(payload, contributions=3), "not a window of this schema"),
    "no runtime": (lambda payload: changed(payload, runtime=...), "not a window of this schema"),
    "nothing for the runtime": (lambda payload: changed(payload, runtime=None), "not a window of this schema"),
    "a list for the runtime": (lambda payload: changed(payload, runtime=[1]), "not a window of this schema"),
    "an agent that is a list": (lambda payload: timed(payload, agent=["a1"]), None),
    "no latencies": (lambda payload: timed(payload, latency_ms=...), "not a window of this schema"),
    "nothing for latencies": (lambda payload: timed(payload, latency_ms=None), "not a window of this schema"),
    "a number for latencies": (lambda payload: timed(payload, latency_ms=0.1), "not a window of this schema"),
    "a list for latencies": (lambda payload: timed(payload, latency_ms=[0.1, 0.2, 0.3]), "not a window of this schema"),
    "a text for latencies": (lambda payload: timed(payload, latency_ms="fast"), "not a window of this schema"),
    "latencies that are none": (lambda payload: timed(payload, latency_ms={}), "a value is missing"),
}

OTHERS = (
    None, True, 0, -1, 2**63, 0.5, math.nan, math.inf, "", "x", "é" * 300, b"\xff", [], [1], [[]], [["f", 0.5, 1]], {},
    {"x": 1}, {b"x": 1}, {"queue": None}, msgpack.Timestamp(1), msgpack.ExtType(5, b"x"),
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_is_no_window_is_kept_and_told_of(name, tmp_path, message):
    """It goes to ``refused`` with its reason, and costs the others nothing."""
    break_it, reason = BAD[name]
    bad = Publication(topic=message().topic, payload=break_it(message().payload))
    written = write([message(0), bad, message(1)], tmp_path)
    assert read_dataset(tmp_path, Kind.RESULT).table["seq"].to_pylist() == [0, 1]
    (row,) = read_dataset(tmp_path, Kind.REFUSED).table.to_pylist()
    assert row["payload"] == bad.payload
    assert row["reason"]
    assert sum(written.reasons.values()) == 1
    if reason:
        assert list(written.reasons) == [reason]


def other_in(value, rng):
    """``value`` with something else in one place of it, however deep."""
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        whole = copy.copy(value)
        at = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        whole[at] = other_in(value[at], rng)
        return whole
    return rng.choice(OTHERS)


def test_whatever_a_message_holds_is_a_row_or_refused(tmp_path, message):
    """Each type in each place, several at a time: refused for what it says, and no fault of the collector."""
    rng = random.Random(20261129)
    batch = []
    for _ in range(2_000):
        document = msgpack.unpackb(message().payload)
        for _ in range(rng.randint(1, 3)):
            document = other_in(document, rng)
        batch.append(Publication(topic=message().topic, payload=msgpack.packb(document)))
    written = write(batch, tmp_path)
    assert written.rows.total() + written.repeated == len(batch)
    assert written.reasons.total() > len(batch) // 2
    assert "a fault of the collector" not in written.reasons


def test_a_fault_of_ours_costs_one_message(tmp_path, message, monkeypatch):
    """It is kept and told of: what was acknowledged must not end its batch."""
    monkeypatch.setattr(parts, "window_row", lambda _: {}["gone"])
    written = write([message(0)], tmp_path)
    assert written.reasons == {"a fault of the collector": 1}
    (row,) = read_dataset(tmp_path, Kind.REFUSED).table.to_pylist()
    assert (row["payload"], row["reason"]) == (message(0).payload, "a fault of the collector: KeyError('gone')")


def test_a_topic_of_nobody_is_kept_and_told_of(tmp_path):
    """The broker sends what was subscribed to; what else comes is no reason to fail."""
    written = write([Publication(topic="somewhere/else", payload=b"x")], tmp_path)
    assert written.reasons == {"unknown topic": 1}
    assert len(read_dataset(tmp_path, Kind.REFUSED).table) == 1


def test_integers_that_stand_for_floats_are_taken(tmp_path, message):
    """Other senders write 0 for 0.0."""
    whole = Publication(topic=message().topic, payload=changed(message().payload, score=2))
    write([whole], tmp_path)
    assert read_dataset(tmp_path, Kind.RESULT).table["score"].to_pylist() == [2.0]


def test_what_comes_twice_counts_once(tmp_path, message):
    """Within a batch at once; over batches, collectors and restarts when it is read."""
    assert write([message(0), message(1), message(0, historical=True)], tmp_path, "c-1").repeated == 1
    assert write([message(1, historical=True), message(2)], tmp_path, "d-2").repeated == 0
    table = read_dataset(tmp_path, Kind.RESULT).table
    assert table["seq"].to_pylist() == [0, 1, 2]
    assert len(read_dataset(tmp_path, Kind.RESULT, columns=["score"]).table) == 3


def test_a_batch_done_again_gives_the_same_files(tmp_path, message):
    """A kill between the files and the end of the batch has it done again."""
    batch = [message(seq, aircraft=aircraft) for seq in range(3) for aircraft in "AB"]
    write(batch, tmp_path)
    before = files(tmp_path)
    write(batch, tmp_path)
    assert files(tmp_path) == before


HOSTILE = ("..", "", "a/b", "a b=c", "ü" * 128, "😀" * 128, "😀" * 127 + "x", ".hidden", "A" * 128, "a\x00b", "\n")


def test_hostile_names_get_folders_of_their_own(tmp_path, message):
    """Names come from frames: none leaves the dataset, none meets another one."""
    topic = message().topic
    batch = [
        Publication(topic=topic.replace("OO-ABC", name), payload=message(0, aircraft=name).payload)
        for name in HOSTILE if "/" not in name
    ]  # fmt: skip
    written = write(batch, tmp_path / "deep" / "dataset")
    assert len(list((tmp_path / "deep").iterdir())) == 1
    assert written.rows["result"] == len(batch)
    assert len({path.parent for path in tmp_path.rglob("*.parquet")}) == len(batch)
    for name in ("..", "😀" * 128):
        found = read_dataset(tmp_path / "deep" / "dataset", Kind.RESULT, source=name).table
        assert found["aircraft"].to_pylist() == [name]


def test_reading_by_day_and_source(tmp_path, message):
    """What is asked for, and no more."""
    day_ns = 86_400 * 10**9
    batch = [
        message(0, aircraft=name, end_ns=RESULT.assessment.end_ns + days * day_ns) for name in "AB" for days in range(3)
    ]
    write(batch, tmp_path)
    chosen = read_dataset(tmp_path, Kind.RESULT, source="B", since="2023-11-15", until="2023-11-15").table
    assert chosen["end_ns"].to_pylist() == [RESULT.assessment.end_ns + day_ns]
    assert len(read_dataset(tmp_path, Kind.RESULT, since="2023-11-16").table) == 2
    assert read_dataset(tmp_path, Kind.ALERT).table.schema == WINDOW_SCHEMA


def test_damaged_files_are_told_of(tmp_path, message):
    """A file that is cut or has other columns is named; the others are read."""
    write([message(0)], tmp_path, "c-1")
    write([message(1)], tmp_path, "c-2")
    write([message(2)], tmp_path, "c-3")
    folder = tmp_path / "result" / "aircraft=OO-ABC" / f"date={DATE}"
    (folder / "c-1.parquet").write_bytes(b"PAR1")
    pq.write_table(pq.read_table(folder / "c-2.parquet").drop(["score"]), folder / "c-2.parquet")
    reading = read_dataset(tmp_path, Kind.RESULT)
    assert reading.table["seq"].to_pylist() == [2]
    assert ["c-1.parquet: expected a Parquet file" in reading.skipped[0], "columns" in reading.skipped[1]] == [True] * 2
    with pytest.raises(DataError, match=r"c-1\.parquet: expected a Parquet file"):
        compact(tmp_path, before="2100-01-01")
    assert len(list(folder.iterdir())) == 3


def test_no_dataset(tmp_path):
    """The folder is named, and what makes one."""
    with pytest.raises(DataError, match=r"none: expected the folder of a dataset, got none; `ground collect"):
        read_dataset(tmp_path / "none", Kind.RESULT)


def test_compacting_keeps_each_message_once(tmp_path, message):
    """Days that are over get one file; today's are left alone; doing it again changes nothing."""
    for number in range(4):
        write([message(number), message(number + 1)], tmp_path, f"c-{number}")
    write([message(0, end_ns=RESULT.assessment.end_ns + 2 * 86_400 * 10**9)], tmp_path, "c-9")
    write([message(1, end_ns=RESULT.assessment.end_ns + 2 * 86_400 * 10**9)], tmp_path, "d-9")
    before = read_dataset(tmp_path, Kind.RESULT).table
    assert compact(tmp_path, before="2023-11-15") == 4
    assert read_dataset(tmp_path, Kind.RESULT).table.sort_by("end_ns").equals(before.sort_by("end_ns"))
    over = tmp_path / "result" / "aircraft=OO-ABC" / f"date={DATE}"
    (made,) = over.iterdir()
    assert made.name.startswith(f"{COMPACTED}-")
    assert pq.read_metadata(made).num_rows == 5
    assert compact(tmp_path, before="2023-11-15") == 0
    write([message(9)], tmp_path, "c-99")
    assert compact(tmp_path, before="2023-11-15") == 2
    assert pq.read_table(next(over.iterdir()))["seq"].to_pylist() == [0, 1, 2, 3, 4, 9]


def test_each_kind_is_subscribed_to():
    """A kind for each topic on which an agent speaks of engines or itself, but the link's probe and bulk data."""
    assert "aircraft/+/engine/+/result" in topic_filters(TOPICS)
    assert len(set(topic_filters(TOPICS))) == len(COLLECTED)
    for kind in COLLECTED:
        topic = getattr(TOPICS, kind.value).format(aircraft="A", engine="2", agent="g7")
        assert origin_of(topic, TOPICS).kind is kind


def test_compacting_goes_on_beside_a_damaged_file(tmp_path, message):
    """It is named, and the other aircraft's days are made few all the same."""
    for number in range(2):
        write([message(number), message(number, aircraft="Z")], tmp_path, f"c-{number}")
    folder = tmp_path / "result" / "aircraft=OO-ABC" / f"date={DATE}"
    (folder / "c-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"c-0\.parquet: expected a Parquet file"):
        compact(tmp_path, before="2100-01-01")
    assert [len(list(path.iterdir())) for path in sorted((tmp_path / "result").glob("*/*"))] == [2, 1]


def test_reading_while_files_are_made_few(tmp_path, message, monkeypatch):
    """Files that were listed and are gone are in another one, which is read instead."""
    for number in range(3):
        write([message(number)], tmp_path, f"c-{number}")
    read = dataset.read_file

    def late(path, *columns):
        monkeypatch.setattr(dataset, "read_file", read)
        compact(tmp_path, before="2100-01-01")
        return read(path, *columns)

    monkeypatch.setattr(dataset, "read_file", late)
    reading = read_dataset(tmp_path, Kind.RESULT)
    assert (reading.table["seq"].to_pylist(), reading.skipped) == ([0, 1, 2], ())


def test_a_batch_that_is_done_again_meanwhile_is_not_removed(tmp_path, message, monkeypatch):
    """After a kill a batch has grown when its file is written anew: not between the reading and the removing of it."""
    write([message(0)], tmp_path, "c-1")
    write([message(1)], tmp_path, "c-2")
    put = dataset.write_table
    again = threading.Thread(target=write, args=([message(0), message(2)], tmp_path, "c-1"))

    def slow(path, table):
        again.start()
        again.join(0.5)  # without the lock, it is through by then
        put(path, table)

    monkeypatch.setattr(dataset, "write_table", slow)
    compact(tmp_path, before="2100-01-01")
    again.join()
    assert sorted(read_dataset(tmp_path, Kind.RESULT).table["seq"].to_pylist()) == [0, 1, 2]
