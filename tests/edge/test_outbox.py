"""The outbox: order, window, acknowledgement, and what a lost connection means."""

from __future__ import annotations

import msgpack

from edge_agent.backlog import Entry
from edge_agent.journal_store import RecordId
from edge_agent.outbox import Outbox
from edge_agent.publication import Grade, Publication


def message(topic: str, *, retain: bool = False, alert: bool = False, payload: bytes = b"") -> Publication:
    """A publication."""
    grade = Grade.ALERT if alert else Grade.RESULT
    return Publication(topic=topic, payload=payload, retain=retain, grade=grade)


def send(outbox: Outbox, window: int, first: int = 1) -> list[str]:
    """Send what may be sent, as packets from ``first`` on; returns the topics."""
    taken = outbox.take(window)
    for number, publication in enumerate(taken, start=first):
        outbox.sent(number, publication)
    return [publication.topic for publication in taken]


def test_window_limits_what_is_in_flight() -> None:
    """No more than the window is in flight; each acknowledgement makes room for one."""
    outbox = Outbox(10)
    outbox.add(*map(message, "abcd"))
    assert send(outbox, 2) == ["a", "b"]
    assert send(outbox, 2) == []
    outbox.acknowledge(1)
    assert send(outbox, 2, first=3) == ["c"]
    assert (len(outbox), outbox.acknowledged) == (3, 1)


def test_alerts_overtake_what_does_not_fit() -> None:
    """Where the window is short, an alert goes before results that wait, in its order, and after a birth."""
    outbox = Outbox(10)
    outbox.add(message("a"), message("b"), message("A", alert=True), message("c"), message("B", alert=True))
    outbox.add_first(message("status", retain=True))
    assert send(outbox, 2) == ["status", "A"]
    outbox.acknowledge(1)
    outbox.acknowledge(2)
    assert send(outbox, 2, first=3) == ["B", "a"]
    outbox.acknowledge(3)
    outbox.acknowledge(4)
    outbox.add(message("C", alert=True))
    assert send(outbox, 3, first=5) == ["b", "c", "C"]


def test_holds_until_it_is_acknowledged() -> None:
    """Over a lost connection, too; what the journal must not keep stays in memory."""
    outbox = Outbox(10)
    chunk = Publication(topic="chunk", payload=b"", keep=False)
    assert not outbox.holds(chunk)
    outbox.add(message("a"), chunk)
    assert outbox.holds(chunk)
    send(outbox, 2)
    assert keep(outbox) == ["a"]
    outbox.rewind()
    assert outbox.holds(chunk)
    assert send(outbox, 1, first=3) == ["chunk"]
    assert outbox.holds(chunk)
    outbox.acknowledge(3)
    assert not outbox.holds(chunk)


def test_lost_connection_sends_again_in_order() -> None:
    """What was in flight goes out again, before what waits."""
    outbox = Outbox(10)
    outbox.add(*map(message, "abcd"))
    send(outbox, 3)
    outbox.acknowledge(2)
    outbox.rewind()
    assert send(outbox, 10) == ["a", "c", "d"]


def test_late_acknowledgement_is_ignored() -> None:
    """A number of an earlier connection, or a second acknowledgement, counts for nothing."""
    outbox = Outbox(10)
    outbox.add(message("a"))
    send(outbox, 1)
    outbox.acknowledge(9)
    outbox.acknowledge(1)
    outbox.acknowledge(1)
    assert (len(outbox), outbox.acknowledged) == (0, 1)


def test_refused_by_the_broker() -> None:
    """What the broker will not take is done with, never sent again, and counted by grade; the status is no result."""
    outbox = Outbox(10)
    outbox.add(message("r"), message("a", alert=True), message("status", retain=True), message("b"))
    send(outbox, 10)
    assert [outbox.refuse(number) for number in (1, 2, 3, 3)] == ["r", "a", "status", ""]
    outbox.rewind()
    assert send(outbox, 10) == ["b"]
    assert outbox.refused == {Grade.TELEMETRY: 1, Grade.RESULT: 1, Grade.ALERT: 1}
    assert outbox.acknowledged == 0


def test_full() -> None:
    """Beyond the limit the oldest that waits goes, and is counted."""
    outbox = Outbox(2)
    outbox.add(*map(message, "abc"))
    assert send(outbox, 10) == ["b", "c"]
    assert outbox.dropped == 1


def test_full_keeps_alerts_and_status() -> None:
    """Results go before alerts, alerts before the status; each is counted."""
    outbox = Outbox(3)
    outbox.add(message("alert1", alert=True), message("s", retain=True), message("result1"), message("result2"))
    outbox.add(message("alert2", alert=True))
    outbox.add(message("alert3", alert=True))
    assert send(outbox, 10) == ["s", "alert2", "alert3"]
    assert outbox.dropped == 3


def test_full_drops_the_lowest_grade() -> None:
    """Telemetry goes before results, whatever its age."""
    outbox = Outbox(2)
    outbox.add(message("result"), Publication(topic="drift", payload=b"", grade=Grade.TELEMETRY), message("result2"))
    assert send(outbox, 10) == ["result", "result2"]


def test_full_keeps_the_birth() -> None:
    """The birth takes the place of a result, and what is added next does not drop it."""
    outbox = Outbox(2)
    outbox.add(message("a", alert=True), message("r"))
    outbox.add_first(message("s", retain=True))
    assert len(outbox) == 2
    outbox.add(message("b", alert=True))
    assert send(outbox, 10) == ["s", "b"]
    assert outbox.dropped == 2


def test_full_after_a_lost_connection() -> None:
    """The limit holds for what comes back from flight as well."""
    outbox = Outbox(2)
    outbox.add(*map(message, "ab"))
    send(outbox, 10)
    outbox.add(message("c"))
    outbox.rewind()
    assert send(outbox, 10) == ["b", "c"]
    assert outbox.dropped == 1


def test_retained_telemetry_goes_before_an_alert() -> None:
    """A state is said again, an alert is not; the status stays."""
    outbox = Outbox(3)
    states = [
        Publication(topic=f"state{number}", payload=b"", retain=True, grade=Grade.TELEMETRY) for number in range(3)
    ]
    outbox.add(message("status", retain=True), *states)
    outbox.add(message("alert", alert=True), message("result"))
    assert send(outbox, 10) == ["status", "alert", "result"]
    assert outbox.dropped == 3


def test_retained_replaces_its_predecessor() -> None:
    """Of several retained messages that wait on a topic only the last is sent; others stay."""
    outbox = Outbox(10)
    outbox.add(message("s", retain=True), message("s"), message("t", retain=True))
    outbox.add(message("s", retain=True, payload=b"new"))
    assert send(outbox, 10) == ["s", "t", "s"]
    assert outbox.dropped == 0


def test_first() -> None:
    """The birth goes before everything, and replaces the status that waited."""
    outbox = Outbox(10)
    outbox.add(message("r"), message("s", retain=True, payload=b"old"))
    outbox.add_first(message("s", retain=True, payload=b"birth"))
    assert send(outbox, 10) == ["s", "r"]


class Time:
    """A clock that stands until it is set."""

    now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def keep(outbox: Outbox, min_age_s: float = 0.0, first: int = 1) -> list[str]:
    """Keep on a disk what is due, as the journal does; returns the topics."""
    entries = outbox.unkept(min_age_s)
    outbox.kept(entries, [RecordId(Grade.RESULT, number) for number, _ in enumerate(entries, first)])
    return [entry.publication.topic for entry in entries]


def backlog(*names: str, payload: bytes = b"") -> list[Entry]:
    """Entries as they are read from the journal, numbered from 1 on."""
    return [
        Entry(message(name, payload=payload), 0.0, (RecordId(Grade.RESULT, number),))
        for number, name in enumerate(names, 1)
    ]


def test_kept_once_it_has_waited() -> None:
    """What is young is not kept, nor is the status, nor what has arrived, nor the same thing twice."""
    clock = Time()
    outbox = Outbox(10, now_s=clock)
    outbox.add(*map(message, "abc"), message("s", retain=True))
    send(outbox, 2)
    outbox.acknowledge(1)
    clock.now_s += 1.0
    outbox.add(message("young"))
    assert keep(outbox, min_age_s=0.5) == ["b", "c"]
    assert keep(outbox, min_age_s=0.5) == []


def test_kept_and_not_sent_leaves_the_queue() -> None:
    """What is on disk is no longer held; what is in flight stays, and its arrival is told to the journal."""
    outbox = Outbox(10)
    outbox.add(*map(message, "ab"))
    send(outbox, 1)
    keep(outbox)
    assert (len(outbox), outbox.held) == (1, [RecordId(Grade.RESULT, 1)])
    assert send(outbox, 10) == []
    outbox.acknowledge(1)
    assert outbox.arrived() == [RecordId(Grade.RESULT, 1)]
    assert (outbox.arrived(), outbox.held) == ([], [])


def test_acknowledged_while_it_was_written() -> None:
    """An acknowledgement that overtakes the disk is told as soon as the record has its number."""
    outbox = Outbox(10)
    outbox.add(message("a"))
    send(outbox, 1)
    entries = outbox.unkept(0.0)
    outbox.acknowledge(1)
    outbox.kept(entries, [RecordId(Grade.RESULT, 7)])
    assert outbox.arrived() == [RecordId(Grade.RESULT, 7)]


def test_dropped_while_it_was_written() -> None:
    """What was dropped from memory and got to the disk all the same is not lost, and not counted."""
    outbox = Outbox(1)
    outbox.add(message("a"))
    entries = outbox.unkept(0.0)
    outbox.add(message("b"))
    assert outbox.dropped == 1
    outbox.kept(entries, [RecordId(Grade.RESULT, 1)])
    assert outbox.dropped == 0


def test_backlog_comes_after_what_is_live() -> None:
    """The backlog is sent in its order, after everything that waits, and takes no more than half of the window."""
    outbox = Outbox(100)
    outbox.add_backlog(backlog(*map(str, range(30))))
    outbox.add(*map(message, "ab"))
    assert send(outbox, 20) == ["a", "b", *map(str, range(10))]
    assert send(outbox, 20, first=13) == []
    outbox.add(message("c"))
    assert send(outbox, 20, first=13) == ["c"]
    outbox.acknowledge(3)
    assert send(outbox, 20, first=14) == ["10"]
    assert outbox.n_backlog == 19


def test_backlog_in_a_small_window() -> None:
    """Of a broker that takes three messages at once, the backlog takes one; of one that takes one, that one."""
    for window, n_old in ((3, 1), (1, 1), (0, 0)):
        outbox = Outbox(100)
        outbox.add_backlog(backlog(*"abc"))
        assert len(send(outbox, window)) == n_old


def test_backlog_keeps_to_its_rate() -> None:
    """No more than a second's worth at once, then as time allows; what is live is not limited."""
    clock = Time()
    outbox = Outbox(100, backlog_per_s=4.0, now_s=clock)
    outbox.add_backlog(backlog(*"abcdefghij"))
    assert send(outbox, 100) == list("abcd")
    clock.now_s += 0.5
    outbox.add(*map(message, "xyz"))
    assert send(outbox, 100, first=10) == ["x", "y", "z", "e", "f"]
    clock.now_s += 100.0
    for number in range(1, 20):
        outbox.acknowledge(number)
    assert send(outbox, 100, first=20) == list("ghij")


def test_backlog_is_marked() -> None:
    """A result out of the journal says so; the rest of its bytes, and what is no result, stay as they were."""
    live = bytes(msgpack.packb({"schema": 1, "runtime": {"run": "r", "historical": False}}))
    outbox = Outbox(10)
    outbox.add_backlog([*backlog("a", payload=live), *backlog("b", payload=b"waveform")])
    old, other = outbox.take(10)
    assert msgpack.unpackb(old.payload) == {"schema": 1, "runtime": {"run": "r", "historical": True}}
    assert old.payload[:-1] == live[:-1]
    assert other.payload == b"waveform"


def test_lost_connection_puts_what_is_kept_into_the_backlog() -> None:
    """After a break, what is on no disk goes first as it did; what is on disk goes out again before the backlog."""
    outbox = Outbox(10)
    outbox.add(*map(message, "ab"))
    send(outbox, 2)
    keep(outbox)
    outbox.add(*map(message, "cd"))
    send(outbox, 3, first=3)
    outbox.add_backlog(backlog("z"))
    outbox.rewind()
    assert send(outbox, 10) == ["c", "d", "a", "b", "z"]


def test_taken_and_not_sent_is_not_lost() -> None:
    """What was taken when the connection failed goes out again."""
    outbox = Outbox(10)
    outbox.add(message("a"))
    assert len(outbox.take(1)) == 1
    outbox.rewind()
    assert send(outbox, 1) == ["a"]


def test_backlog_held_back() -> None:
    """At the end nothing old is sent any more, so that the end comes soon."""
    outbox = Outbox(10)
    outbox.add_backlog(backlog("z"))
    outbox.hold_backlog_back()
    outbox.add(message("a"))
    assert send(outbox, 10) == ["a"]
    assert len(outbox) == 1


def test_filling_is_told_once() -> None:
    """The journal is woken when half of the limit waits, not at every further message."""
    outbox = Outbox(4)
    outbox.add(*map(message, "ab"))
    assert not outbox.filling.is_set()
    outbox.add(message("c"))
    assert outbox.filling.is_set()
    outbox.filling.clear()
    outbox.add(message("d"))
    assert not outbox.filling.is_set()
