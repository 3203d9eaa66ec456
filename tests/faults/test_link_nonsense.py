"""The link against brokers that say nonsense, or nothing."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from edge_agent.publication import Publication
from tests.faults.ends import QUICK, linked
from tests.faults.fake_broker import CONNACK, CONNECT, PUBLISH, SUBSCRIBE, Peer, answer_connect, fake_broker, suback

MALFORMED: dict[str, bytes] = {
    "no such packet": b"\x00\x00",
    "AUTH nobody asked for": b"\xf0\x02\x18\x00",
    "a client's packet": b"\x82\x05\x00\x01\x00\x00\x00",
    "endless length": b"\x30\xff\xff\xff\xff\x7f",
    "topic longer than its packet": b"\x30\x05\xff\xffabc",
    "PUBLISH without a topic": b"\x30\x01\x00",
    "QoS 3": b"\x36\x08\x00\x01t\x00\x01\x00xy",
    "property that does not exist": b"\x30\x07\x00\x01t\x02\xee\x00x",
    "properties longer than the packet": b"\x30\x05\x00\x01t\x7fx",
    "PUBACK of one byte": b"\x40\x01\x00",
    "PUBACK with a code that does not exist": b"\x40\x04\x00\x01\x77\x00",
    "SUBACK without answers": b"\x90\x03\x00\x01\x00",
    "SUBACK with too many answers": b"\x90\x08\x00\x01\x00\x01\x01\x01\x01\x01",
    "SUBACK with a code that does not exist": b"\x90\x05\x00\x01\x00\x77\x77",
    "DISCONNECT with a code that does not exist": b"\xe0\x01\x77",
}


@pytest.mark.parametrize("nonsense", MALFORMED.values(), ids=MALFORMED)
def test_malformed_packets(nonsense: bytes, log_lines: list[Any]) -> None:
    """A malformed packet costs the connection, is told as such, and is no fault of ours."""

    def play(peer: Peer) -> None:
        for kind, _ in peer.packets():
            peer.say({CONNECT: CONNACK, SUBSCRIBE: nonsense}.get(kind, b""))

    with fake_broker(play) as port, linked(port) as ends:
        assert ends.wait_for_error() == "broker: expected packets of MQTT, got something else; check broker.port"
        assert set(ends.link.state.ends) == {"protocol"}
    assert not [line for line in log_lines if line["log_level"] == "error"]


def test_random_bytes(log_lines: list[Any]) -> None:
    """Whatever bytes come instead of answers, before or after CONNACK, the link goes on trying."""
    rng = random.Random(1)

    def play(peer: Peer) -> None:
        for _ in peer.packets():
            peer.say(rng.choice([b"", CONNACK]) + rng.randbytes(rng.randrange(1, 60)))

    with fake_broker(play) as port, linked(port) as ends:
        while sum(ends.link.state.ends.values()) < 4:
            ends.changes.get(timeout=60.0)
        assert "internal" not in ends.link.state.ends
    assert not [line for line in log_lines if line["event"] == "link failed"]


def test_broker_that_takes_everything_and_acknowledges_nothing() -> None:
    """The socket takes it all, pings are answered, nothing is acknowledged: the link is rebuilt and nothing is lost."""
    with fake_broker(answer_connect) as port, linked(port) as ends:
        ends.wait_for_up()
        ends.link.publish(Publication(topic="r", payload=b"1"))
        assert "expected acknowledgements within" in ends.wait_for_error()
        ends.wait_for_up()
        assert len(ends.outbox) == 2


def test_broker_that_never_reads() -> None:
    """A socket that is full, because nobody reads at the other end, does not hold the link for ever."""

    def play(peer: Peer) -> None:
        packets = peer.packets()
        next(packets)
        peer.say(CONNACK)
        peer.say(suback(next(packet for packet in packets if packet[0] == SUBSCRIBE)))
        peer.wait()

    with fake_broker(play) as port, linked(port) as ends:
        ends.wait_for_up()
        ends.link.publish(*(Publication(topic="r", payload=bytes(1_000_000)) for _ in range(20)))
        assert "expected acknowledgements within" in ends.wait_for_error()
        ends.wait_for_up()
        assert len(ends.outbox) == 21


def test_broker_that_grants_no_subscription_in_time() -> None:
    """CONNACK alone is no link: frames come only after SUBACK."""

    def play(peer: Peer) -> None:
        for kind, _ in peer.packets():
            peer.say(CONNACK if kind == CONNECT else b"")

    with fake_broker(play) as port, linked(port, QUICK) as ends:
        assert "expected an answer within" in ends.wait_for_error()
        assert set(ends.link.state.ends) == {"no_answer"}


ENDINGS: dict[int, tuple[str, str]] = {
    0x8B: ("ended.server_shutting_down", "Server shutting down (0x8b); wait until the broker is back"),
    0x8E: ("ended.session_taken_over", "Session taken over (0x8e); another client has come with our client id"),
    0x97: ("ended.quota_exceeded", "Quota exceeded (0x97); raise the broker's quota"),
    0x81: ("ended.malformed_packet", "Malformed packet (0x81); see the broker's log"),
}


@pytest.mark.parametrize("code", ENDINGS)
def test_broker_says_why_it_disconnects(code: int) -> None:
    """The reason of DISCONNECT, which mosquitto 2.0.11 never sends, is told and counted; taken over, we wait."""

    def play(peer: Peer) -> None:
        for packet in peer.packets():
            if packet[0] == PUBLISH:
                peer.say(bytes([0xE0, 2, code, 0]))
                return
            peer.say({CONNECT: CONNACK, SUBSCRIBE: suback(packet) if packet[0] == SUBSCRIBE else b""}[packet[0]])

    label, text = ENDINGS[code]
    with fake_broker(play) as port, linked(port) as ends:
        assert text in ends.wait_for_error()
        lost_s = time.monotonic()
        assert label in ends.link.state.ends
        ends.wait_for_up()
        waited_s = time.monotonic() - lost_s
        assert (waited_s > QUICK.taken_over_backoff_s / 2 - 0.1) == (code == 0x8E)


@pytest.mark.parametrize(
    ("code", "label"), [(0x85, "client_identifier_not_valid"), (0x89, "server_busy"), (0x8A, "banned")]
)
def test_broker_refuses(code: int, label: str) -> None:
    """A refusal is told with its code, and counted under it."""

    def play(peer: Peer) -> None:
        next(peer.packets())
        peer.say(bytes([0x20, 3, 0, code, 0]))

    with fake_broker(play) as port, linked(port) as ends:
        assert f"(0x{code:02x}); " in ends.wait_for_error()
        assert set(ends.link.state.ends) == {f"refused.{label}"}
