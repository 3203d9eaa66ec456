"""The outbox: order, window, acknowledgement, and what a lost connection means."""

from __future__ import annotations

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
