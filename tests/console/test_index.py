"""What the console makes of a dataset: whole, broken, growing, compacted, gone."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.evidence import evidence_id
from edge_agent.health import OFFLINE, VANISHED
from edge_agent.publication import Publication
from edge_agent.result import decode_result, encode_result
from edge_agent.topics_section import TopicsSection
from ground.console.data.alert import find_alert, similar_alerts
from ground.console.data.alert_list import ALL, AlertFilter, alert_page
from ground.console.data.files import scan
from ground.console.data.fleet import fleet
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.judged import judged_alerts
from ground.console.data.totals import totals
from ground.fleet import verdicts as verdicts_module
from ground.fleet.collect.dataset import compact, read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import write_parts
from ground.fleet.verdicts import AlertKey, Verdict
from tests.console.fleet_data import BEGIN_NS, BUNDLE, DATE, Flown, Plan, messages, status, window, write_fleet

SMALL = Plan(aircraft=("A", "B"), engines=("1",), flights=4, windows=12, alerts=2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two engines; nobody writes into it."""
    root = tmp_path_factory.mktemp("small")
    write_fleet(root, SMALL)
    return root


@pytest.fixture
def root(small: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(small, tmp_path / "fleet")
    return tmp_path / "fleet"


@pytest.fixture
def index(root: Path) -> Iterator[FleetIndex]:
    """An index that has looked once."""
    made = FleetIndex(root, days=90)
    made.refresh()
    yield made
    made.close()


def everything(index: FleetIndex) -> tuple[object, ...]:
    """All that pages ask of it."""
    with index.cursor() as cursor:
        alerts = alert_page(cursor, AlertFilter(verdict=ALL), most=1_000)
        return (totals(cursor), fleet(cursor), alerts, *(find_alert(cursor, each.alert_id) for each in alerts.alerts))


def test_it_counts_what_was_written(index):
    """Two engines, four flights each, every second one with an alert."""
    with index.cursor() as cursor:
        known = totals(cursor)
    assert (known.engines, known.in_alarm, known.open_alerts, known.flights) == (2, 0, 4, 8)
    assert index.banners == ()


def test_the_age_of_all_is_that_of_the_newest_window(index):
    """Which clocks that run ahead do not tell."""
    with index.cursor() as cursor:
        (newest_ns,) = cursor.execute("SELECT max(end_ns) FROM engines").fetchone()
        assert totals(cursor, now_ns=newest_ns + 1).newest_ns == newest_ns
        assert totals(cursor, now_ns=1).newest_ns == 0


def test_an_engine_is_told_by_its_last_window(index, root):
    """Whichever file that lies in."""
    table = read_dataset(root, Kind.RESULT, source="A").table
    last = max(table.to_pylist(), key=lambda row: row["end_ns"])
    with index.cursor() as cursor:
        (line,) = [each for each in fleet(cursor, now_ns=1).engines if each.aircraft == "A"]
    assert (line.end_ns, line.score, line.flight) == (last["end_ns"], last["score"], last["flight"])
    assert (line.agent_state, line.health, line.agreed, line.differed) == ("online", "ok", 4 * 11, 4)


def test_names_of_alerts_are_those_of_the_other_programs(index):
    """``ground verdict`` and the agent's evidence name the same ones."""
    raised = [message for message in messages(SMALL) if message.topic.endswith("/alert")]
    results = [decode_result(message.payload) for message in raised]
    results = [each for each in results if each.assessment.event == "raised"]
    with index.cursor() as cursor:
        for result in results:
            found = result.assessment
            key = AlertKey(
                result.runtime.run, found.aircraft, found.engine, found.flight, found.seq, found.bundle_digest
            )
            detail = find_alert(cursor, key.alert_id)
            assert detail is not None
            assert detail.key == key
            assert detail.evidence_id == evidence_id(result.runtime.run, found)
            assert detail.cleared_ns > detail.end_ns
    assert len(results) == 4


def test_what_comes_twice_counts_once(index, root):
    """Another collector has written the same messages."""
    before = everything(index)
    write_fleet(root, SMALL, name="other-1")
    assert index.refresh()
    assert everything(index) == before


def test_compaction_changes_nothing(index, root):
    """Files give way to others that hold the same."""
    write_fleet(root, SMALL, name="other-1")
    index.refresh()
    before = everything(index)
    assert compact(root, before="2030-01-01") > 0
    index.refresh()
    assert everything(index) == before
    assert index.banners == ()


def test_a_look_without_news_says_so(index, root):
    """Else every open page would load anew every two seconds."""
    assert not index.refresh()
    write_fleet(root, Plan(aircraft=("C",), engines=("1",), flights=1), name="c-1")
    assert index.refresh()
    assert not index.refresh()


def damage(path: Path, how: str) -> None:
    """Break a file in one of the ways in which files are broken."""
    content = path.read_bytes()
    if how == "columns":
        pq.write_table(pa.table({"another": [1]}), path)
    elif how == "text":
        path.write_text("no Parquet at all")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        half = len(content) // 2
        path.write_bytes(content[:4] + bytes(byte ^ 0xFF for byte in content[4:half]) + content[half:])


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *((Kind.RESULT, how) for how in ("columns", "text", "empty", "cut", "flipped")), (Kind.ALERT, "cut"),
        (Kind.FLIGHT, "flipped"),
    ],
)  # fmt: skip
def test_a_broken_file_is_told_of_and_the_others_are_shown(root, kind, how):
    """And when it is whole again, it is read."""
    (path,) = (root / kind.value / "aircraft=A").glob("*/*.parquet")
    whole = path.read_bytes()
    damage(path, how)
    index = FleetIndex(root, days=90)
    index.refresh()
    with index.cursor() as cursor:
        assert totals(cursor).engines == (1 if kind is Kind.RESULT else 2)
    (banner,) = index.banners
    assert "1 file of the dataset is left out" in banner
    assert path.name in banner
    assert str(path) not in index.files(kind)
    assert not index.refresh()
    path.write_bytes(whole)
    assert index.refresh()
    assert index.banners == ()
    with index.cursor() as cursor:
        known = totals(cursor)
    assert (known.engines, known.open_alerts, known.flights) == (2, 4, 8)
    index.close()


def test_files_on_their_way_and_other_things_are_no_part_of_it(root):
    """Half-written files have names with a dot; people leave notes."""
    (folder,) = (root / "alert" / "aircraft=A").iterdir()
    (folder / ".c-2.parquet.x1").write_bytes(b"half")
    (folder / "notes.txt").write_text("mine")
    (root / "alert" / "README").write_text("mine")
    (root / "alert" / "aircraft=A" / "file").write_text("mine")
    (root / "somewhere").mkdir()
    (folder / "folder.parquet").mkdir()
    index = FleetIndex(root, days=90)
    index.refresh()
    assert [banner for banner in index.banners if "folder.parquet" not in banner] == []
    with index.cursor() as cursor:
        assert totals(cursor).open_alerts == 4
    index.close()


def test_messages_of_another_format_are_counted(root):
    """A later agent, or nonsense on an agent's topic."""
    odd = [b"", b"{", b"\xc1", msgpack.packb([1]), msgpack.packb({"schema": 9}), b'{"state": 3}', b"[1]"]
    parts = [Publication(topic="aircraft/A/engine/1/flight", payload=bytes(payload)) for payload in odd]
    parts += [Publication(topic="enginear/a/status", payload=bytes(payload)) for payload in odd]
    huge = {**msgpack.unpackb(next(each for each in messages(SMALL) if each.topic.endswith("/flight")).payload)}
    parts.append(Publication(topic="aircraft/A/engine/1/flight", payload=msgpack.packb({**huge, "windows": 2**63})))
    write_parts(parts, root, name="odd-1", date=DATE, topics=TopicsSection())
    index = FleetIndex(root, days=90)
    index.refresh()
    (banner,) = index.banners
    assert banner.startswith("15 messages are left out")
    index.close()


def test_a_dataset_that_goes_away_is_told_of(index, root):
    """What was known stays on the pages, and comes to life again."""
    before = everything(index)
    root.rename(root.parent / "away")
    index.refresh()
    (banner,) = index.banners
    assert "cannot be read" in banner
    assert everything(index) == before
    (root.parent / "away").rename(root)
    index.refresh()
    assert index.banners == ()


def test_an_empty_dataset_is_no_fault(tmp_path):
    """A fleet that has not flown yet."""
    index = FleetIndex(tmp_path, days=90)
    assert not index.refresh()
    with index.cursor() as cursor:
        assert totals(cursor).engines == 0
        assert fleet(cursor).engines == ()
    index.close()


def test_old_days_are_left_aside_and_told_of(root):
    """Days are counted back from the newest one, whatever a clock in the future says."""
    for date in ("1970-01-01", "2026-06-01", "2116-02-29"):
        shutil.copytree(root / "alert" / "aircraft=A" / f"date={DATE}", root / "alert" / "aircraft=A" / f"date={date}")
    found = scan(root, (Kind.ALERT,), days=90, today="2026-11-28")
    assert {file.date for file in found.files} == {DATE, "2116-02-29"}
    assert (found.since, found.older) == ("2026-06-23", 2)
    index = FleetIndex(root, days=90)
    index.refresh()
    assert any("2 older days of the dataset are" in banner for banner in index.banners)
    index.close()


def test_verdicts_close_alerts(index):
    """Those that ask for a review stay open; the last word rules."""
    with index.cursor() as cursor:
        first, second, *_ = alert_page(cursor, AlertFilter()).alerts
        keys = [find_alert(cursor, each.alert_id).key for each in (first, second)]
    index.verdicts.record(keys[0], Verdict.CONFIRMED, by="me")
    index.verdicts.record(keys[1], Verdict.NEEDS_REVIEW, by="me")
    assert index.refresh()
    with index.cursor() as cursor:
        assert totals(cursor).open_alerts == 3
        assert first.alert_id not in {each.alert_id for each in alert_page(cursor, AlertFilter()).alerts}
        assert alert_page(cursor, AlertFilter(verdict="confirmed")).total == 1
        assert alert_page(cursor, AlertFilter(verdict="needs_review")).total == 1
    index.verdicts.record(keys[0], Verdict.NEEDS_REVIEW, by="you")
    index.refresh()
    with index.cursor() as cursor:
        assert totals(cursor).open_alerts == 4


def test_verdicts_say_what_a_detector_is_worth(index):
    """Two right of three: the share, and the bounds of Clopper and Pearson's table (n = 3, x = 2, 90 %)."""
    with index.cursor() as cursor:
        keys = [find_alert(cursor, each.alert_id).key for each in alert_page(cursor, AlertFilter()).alerts]
    verdicts = (Verdict.CONFIRMED, Verdict.CONFIRMED, Verdict.FALSE_ALARM, Verdict.NEEDS_REVIEW)
    for key, verdict in zip(keys, verdicts, strict=True):
        index.verdicts.record(key, verdict, by="me")
    index.refresh()
    with index.cursor() as cursor:
        (line,) = judged_alerts(cursor)
    assert (line.bundle_id, line.alerts, line.confirmed, line.false_alarms, line.judged) == (BUNDLE, 4, 2, 1, 3)
    assert line.right == pytest.approx(2 / 3)
    assert (line.low, line.high) == (pytest.approx(0.1354, abs=1e-4), pytest.approx(0.9830, abs=1e-4))


def test_damaged_verdicts_are_told_of(index):
    """The alerts are shown all the same."""
    index.verdicts.path.write_text("no database")
    index.refresh()
    (banner,) = index.banners
    assert "verdicts" in banner
    with index.cursor() as cursor:
        assert totals(cursor).open_alerts == 4


def test_similar_alerts_are_those_before_that_name_the_same(index):
    """The likeness is the cosine of the shares: closed form, by hand."""
    with index.cursor() as cursor:
        page = alert_page(cursor, AlertFilter(verdict=ALL))
        newest = find_alert(cursor, page.alerts[0].alert_id)
        found = similar_alerts(cursor, newest)
        others = [find_alert(cursor, each.alert_id) for each in page.alerts[1:]]
    own = {part.feature: part.share for part in newest.contributions}
    for other in others:
        shares = {part.feature: part.share for part in other.contributions}
        product = sum(own[name] * shares[name] for name in own.keys() & shares.keys())
        norms = [sum(share**2 for share in each.values()) ** 0.5 for each in (own, shares)]
        likeness = {each.alert_id: each.likeness for each in found}.get(other.alert_id, 0.0)
        assert likeness == pytest.approx(product / (norms[0] * norms[1]), rel=1e-12)
    assert [each.likeness for each in found] == sorted((each.likeness for each in found), reverse=True)


S = 10**9
WILL = {"state": OFFLINE, "reason": VANISHED, "health": "failing"}


def changed(message: Publication, **fields: object) -> Publication:
    """A message of an agent that says something else in some fields."""
    document = msgpack.unpackb(message.payload)
    return replace(message, payload=bytes(msgpack.packb({**document, **fields})))


def first_of(kind: str) -> Publication:
    """The first message of a kind that agent A sends."""
    return next(each for each in messages(SMALL) if each.topic == f"aircraft/A/engine/1/{kind}")


def engine_of(index: FleetIndex, aircraft: str = "A", *, now_ns: int = 0):
    """The line of an aircraft's engine on the fleet's page."""
    with index.cursor() as cursor:
        (line,) = [each for each in fleet(cursor, now_ns=now_ns).engines if each.aircraft == aircraft]
    return line


def look(root: Path, *parts: Publication, name: str = "more-1", date: str = DATE) -> FleetIndex:
    """An index over a dataset to which messages have come."""
    write_parts(parts, root, name=name, date=date, topics=TopicsSection())
    made = FleetIndex(root, days=90)
    made.refresh()
    return made


def test_hostile_messages_are_counted_and_stop_nothing(root):
    """Whoever the broker lets in may send them; the console starts, and shows all others."""
    flight, agreement, said = first_of("flight"), first_of("shadow/agreement"), status("a")
    huge = b"1" + b"0" * 400
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    odd = [
        *(changed(flight, ratio=value) for value in ([], "x", None, 3)),
        changed(flight, windows=2**62), changed(flight, raised=-1),
        *(changed(agreement, counts=value) for value in (3, [], None, {"both_normal": 2**63 - 1})),
        *(status("a", shadow=value) for value in (None, [], "x")),
        *(status("a", sent_ns=S, updated=value) for value in (3, "yesterday")), status("a", status_interval_s="x"),
        replace(said, payload=deep), replace(flight, payload=deep),
        replace(said, payload=said.payload.replace(b"10.0", huge)),
    ]  # fmt: skip
    index = look(root, *odd)
    assert index.banners == (f"{len(odd)} messages are left out: of a format that this version does not know.",)
    with index.cursor() as cursor:
        assert totals(cursor).flights == 8
        assert len(fleet(cursor).engines) == 2
    index.close()


@pytest.mark.parametrize("kind", [Kind.ALERT, Kind.RESULT])
def test_a_file_of_anything_stops_nothing(root, kind):
    """Bytes that are no text, in a column of texts: no library's error ends the look."""
    (path,) = (root / kind.value / "aircraft=A").glob("*/*.parquet")
    table = pq.read_table(path, partitioning=None)
    bad = pa.array([b"\xff\xfe"] * len(table), pa.binary()).view(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("phase"), "phase", bad), path)
    index = FleetIndex(root, days=90)
    index.refresh()
    (banner,) = index.banners
    assert path.name in banner
    with index.cursor() as cursor:
        assert totals(cursor).engines == (1 if kind is Kind.RESULT else 2)
    index.close()


AGENTS = {
    "heard just now": ([{"ago_s": 10}], "online"),
    "silent for ten minutes": ([{"ago_s": 610}, {"ago_s": 600}], "silent"),
    "died, and the broker says so": ([{"ago_s": 620}, {"ago_s": 610}, {"ago_s": 9_000, **WILL}], "offline"),
    "came back after a lost connection": ([{"ago_s": 9_000, **WILL}, {"ago_s": 20}], "online"),
    "ended as it was asked to": ([{"ago_s": 610}, {"ago_s": 600, "state": "offline", "reason": "stopped"}], "offline"),
    "seldom speaks": ([{"ago_s": 1_000, "status_interval_s": 600.0}], "online"),
    "its clock shows 1970": ([{"updated": "1970-01-01T00:00:09.000+00:00"}], "online"),
    "its clock runs ahead": ([{"ago_s": -9_000}], "online"),
}


@pytest.mark.parametrize("case", AGENTS)
def test_an_agent_is_what_it_said_as_long_as_it_says_it(root, case):
    """A box that lost power must not stand there as well for good."""
    said, state = AGENTS[case]
    now_ns = time.time_ns()
    parts = [
        status("agent-A", sent_ns=now_ns - each["ago_s"] * S if "ago_s" in each else 0,
               **{name: value for name, value in each.items() if name != "ago_s"})
        for each in said
    ]  # fmt: skip
    index = look(root, *parts, name="test-2")
    line = engine_of(index, now_ns=now_ns)
    assert (line.agent_state, line.is_heard) == (state, state == "online")
    assert not engine_of(index, now_ns=now_ns + 3_600 * S).is_heard
    index.close()


def test_of_statuses_only_the_last_is_kept(root):
    """Agents send thousands a day: neither memory nor a look may grow with them."""
    for number in range(3):
        parts = [status("agent-A", health="degraded" if number == 2 else "ok", pid=pid) for pid in range(9)]
        write_parts(parts, root, name=f"test-{number + 2}", date=DATE, topics=TopicsSection())
    write_parts([status("agent-A")], root, name="test-1", date="2026-09-20", topics=TopicsSection())
    index = FleetIndex(root, days=90)
    index.refresh()
    assert len(index.files(Kind.STATUS, folder="agent=agent-A")) == 1
    assert index.banners == ()
    assert engine_of(index).health == "degraded"
    with index.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM status").fetchone() == (2,)
    write_parts([status("agent-A", health="failing")], root, name="test-5", date=DATE, topics=TopicsSection())
    assert index.refresh()
    assert engine_of(index).health == "failing"
    index.close()


def test_of_shadows_the_last_one_counts(root):
    """What an earlier one said says nothing of it; one that was taken away is none."""
    later = changed(
        first_of("shadow/agreement"), shadow_id="engine_vibration_detector/1.2.0", shadow_digest="12" * 32,
        to_ns=BEGIN_NS + 9 * 7_200 * S, counts={"both_normal": 97, "only_shadow": 3},
    )  # fmt: skip
    index = look(root, later)
    line = engine_of(index)
    assert (line.shadow_id, line.agreed, line.differed) == ("engine_vibration_detector/1.2.0", 97, 3)
    assert engine_of(index, "B").agreed == 4 * 11
    index.close()
    index = look(root, status("agent-A", shadow={"state": "none"}), name="test-2")
    assert engine_of(index).shadow_id == ""
    assert engine_of(index, "B").shadow_id
    index.close()


def test_the_level_is_that_of_the_bundle_that_decides(root):
    """Another bundle has another threshold: a change of it is no wear."""
    flown = [
        changed(
            first_of("flight"), flight=f"G{number}", bundle_digest="99" * 32 if number < 6 else "ab" * 32,
            ratio={"p50": 0.1 if number < 6 else 0.5}, last_ns=BEGIN_NS + number * S,
        )
        for number in range(16)
    ]  # fmt: skip
    index = look(root, *flown)
    line = engine_of(index)
    assert (line.flights, line.first_level) == (14, 0.5)
    index.close()


def test_a_clock_that_ran_ahead_hides_nothing(index, root):
    """A window of 2099 gives way to those of today, whatever it says."""
    real = engine_of(index)
    ahead = Flown("A", "1", "F999", 4_070_908_800 * S, 8, range(4, 8))
    late = [
        Publication(topic="aircraft/A/engine/1/result", payload=encode_result(window(ahead, seq, random.Random(1))))
        for seq in range(8)
    ]
    write_parts(late, root, name="late-1", date=DATE, topics=TopicsSection())
    assert index.refresh()
    line = engine_of(index)
    assert (line.state, line.flight, line.end_ns) == (real.state, real.flight, real.end_ns)
    with index.cursor() as cursor:
        assert totals(cursor).in_alarm == 0


def test_an_alarm_that_ends_with_its_flight_is_no_standing_one(root):
    """The agent drops it without a word when another flight begins."""
    shutil.rmtree(root / "alert")
    raised = [each for each in messages(SMALL) if each.topic.endswith("/alert")]
    index = look(root, *(each for each in raised if decode_result(each.payload).assessment.event == "raised"))
    with index.cursor() as cursor:
        found = [find_alert(cursor, each.alert_id) for each in alert_page(cursor, AlertFilter()).alerts]
    assert [(each.cleared_ns, each.is_flight_over) for each in found] == [(0, True)] * 4
    index.close()


def test_verdicts_that_were_busy_are_read_again(index, monkeypatch):
    """A store that somebody holds for a while leaves no banner behind."""
    with index.cursor() as cursor:
        key = find_alert(cursor, alert_page(cursor, AlertFilter()).alerts[0].alert_id).key
    index.verdicts.record(key, Verdict.CONFIRMED, by="me")
    monkeypatch.setattr(verdicts_module, "_WAIT_S", 0.01)
    with closing(sqlite3.connect(index.verdicts.path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert index.refresh()
        assert any("verdicts" in banner for banner in index.banners)
        assert not index.refresh()
    assert index.refresh()
    assert index.banners == ()
    with index.cursor() as cursor:
        assert totals(cursor).open_alerts == 3
