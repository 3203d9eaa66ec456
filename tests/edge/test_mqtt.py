"""The link against a real mosquitto: sessions, refusals, sizes, reconnects, and the goodbye."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.bell import Bell
from edge_agent.config import AgentConfig
from edge_agent.credentials import how_to_read
from edge_agent.link_timing import LinkTiming
from edge_agent.mqtt import Connection
from edge_agent.mqtt_client import V311, OneConnectionClient
from edge_agent.probe import Probe
from edge_agent.publication import JSON, Grade, Publication
from tests.conftest import wait_until
from tests.faults.ends import INPUT, PROBE, QUICK, STATUS, WAIT_S, Ends
from tests.faults.fake_broker import CONNACK, CONNECT, PINGREQ, PINGRESP, SUBSCRIBE, Peer, fake_broker, suback
from tests.faults.relay import relay

MIB = 1024 * 1024
SILENCE_MS = 300
"""After so long the broker has said all that it has to say."""


@pytest.fixture
def make_ends(make_config: Callable[..., AgentConfig]) -> Iterator[Callable[..., Ends]]:
    """Makes links to a port, and stops them."""
    made: list[Ends] = []

    def make(port: int, *, start: bool = True, timing: LinkTiming = LinkTiming(), **tables: Any) -> Ends:  # noqa: B008
        tables["broker"] = {"port": port, "keepalive_s": 2, **tables.get("broker", {})}
        ends = Ends(make_config(**tables), timing)
        if start:
            ends.link.start()
            made.append(ends)
        return ends

    yield make
    for ends in made:
        ends.link.stop(0.0)


def test_birth_is_retained(broker: Any, peer: Any, make_ends: Any) -> None:
    """At every connection the status is published, retained, as JSON; version 5 is spoken where it is known."""
    state = make_ends(broker.port).wait_for_up()
    assert (state.protocol, state.connections, state.error) == ("5", 1, "")
    peer.subscribe(STATUS)
    message = peer.next()
    assert (message.payload, message.properties.ContentType) == (b"birth", JSON)


def test_results_carry_expiry_and_type(broker: Any, peer: Any, make_ends: Any) -> None:
    """Content type and expiry go with a result; it arrives at least once."""
    ends = make_ends(broker.port)
    peer.subscribe("r")
    ends.link.publish(Publication(topic="r", payload=b"1", expiry_s=60))
    message = peer.next()
    assert (message.qos, message.payload, message.retain) == (1, b"1", False)
    assert message.properties.ContentType == "application/msgpack"
    assert message.properties.MessageExpiryInterval <= 60


def test_order_of_many_results(broker: Any, peer: Any, make_ends: Any) -> None:
    """Many more results than may be in flight arrive in order, also those queued before the link stood."""
    ends = make_ends(broker.port, start=False)
    peer.subscribe("r")
    ends.link.publish(*(Publication(topic="r", payload=str(number).encode()) for number in range(300)))
    ends.link.start()
    assert [peer.next().payload for _ in range(300)] == [str(number).encode() for number in range(300)]
    assert ends.link.stop(WAIT_S)
    assert (ends.outbox.acknowledged, len(ends.outbox)) == (301, 0)


@pytest.mark.parametrize("topic", ["aircraft/A/engine/vibration", INPUT])
def test_arrival(broker: Any, peer: Any, make_ends: Any, topic: str) -> None:
    """Frames come on both of the default topics, with a monotonic time."""
    ends = make_ends(broker.port)
    ends.wait_for_up()
    peer.publish(topic, b"x" * 1_000)
    arrival = ends.arrivals.get(timeout=WAIT_S)
    assert (arrival.topic, arrival.payload, arrival.retained) == (topic, b"x" * 1_000, False)
    assert arrival.received_ns > 0


def test_retained_frames_are_not_asked_for(broker: Any, peer: Any, make_ends: Any) -> None:
    """A frame that the broker kept tells of the past and is left there."""
    peer.publish(INPUT, b"old", retain=True)
    ends = make_ends(broker.port)
    ends.wait_for_up()
    peer.publish(INPUT, b"new")
    assert ends.arrivals.get(timeout=WAIT_S).payload == b"new"


def test_no_nagle(broker: Any, make_ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket sends at once."""
    opened: list[socket.socket] = []
    plain = socket.create_connection

    def remember(*arguments: Any, **options: Any) -> socket.socket:
        opened.append(plain(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(socket, "create_connection", remember)
    make_ends(broker.port).wait_for_up()
    assert opened[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_will(broker: Any, peer: Any, make_ends: Any) -> None:
    """When the agent vanishes, the broker publishes its will, retained."""
    peer.subscribe(STATUS)
    ends = make_ends(broker.port, start=False)
    connection = connection_of(ends)
    connection.open()
    while not connection.accepted:
        assert connection.turn()
    connection.close()
    assert peer.next_where(lambda message: message.payload == b"will")


def test_sends_before_it_reads(broker: Any, peer: Any, make_ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published while it waits leaves before a frame that came at the same time is read."""
    # So long that no ping is taken for the frame.
    ends = make_ends(broker.port, start=False, broker={"keepalive_s": 60})
    bell, seen = Bell(), []
    ends.listener = replace(ends.listener, on_arrival=lambda _: seen.append(ends.outbox.in_flight))
    connection = connection_of(ends, bell)
    connection.open()
    waits = connection._poll
    while not connection.subscribed or ends.outbox.in_flight or connection._client.pending() or waits.poll(SILENCE_MS):
        assert connection.turn()

    class BothAtOnce:
        """Waits until the frame is there, too."""

        register = waits.register

        def poll(self, timeout_ms: int) -> list[tuple[int, int]]:
            """As the real one."""
            if not seen and not ends.outbox.in_flight and not connection._client.pending():
                ends.outbox.add(Publication(topic="result", payload=b"r"))
                bell.ring()
                wait_until(lambda: len(waits.poll(0)) == 2, "the frame beside the bell")
            return waits.poll(timeout_ms)

    monkeypatch.setattr(connection, "_poll", BothAtOnce())
    peer.publish(INPUT, b"frame")
    while not seen:
        assert connection.turn()
    connection.close()
    assert seen == [1]
    assert bell.wait_for_answer(0.0)


def test_what_is_handed_over_has_left(broker: Any, make_ends: Any) -> None:
    """It is with the broker, or on its way there."""
    ends = make_ends(broker.port)
    ends.wait_for_up()
    wait_until(lambda: not len(ends.outbox), "what is said at the beginning")
    before = ends.outbox.acknowledged
    ends.link.publish(Publication(topic="result", payload=b"r"))
    ends.link.hand_over(WAIT_S)
    assert ends.outbox.in_flight or ends.outbox.acknowledged > before


def test_nobody_waits_for_a_link_that_is_down(make_ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage must not cost each result a wait."""
    monkeypatch.setattr(Bell, "wait_for_answer", lambda *_: pytest.fail("waited"))
    make_ends(9, start=False).link.hand_over(WAIT_S)


def connection_of(ends: Ends, bell: Bell | None = None) -> Connection:
    """A connection of 3.1.1 that is not open yet."""
    return Connection(
        ends.config, V311, ends.outbox, ends.listener, bell or Bell(),
        probe=Probe(interval_s=30.0, timeout_s=10.0), timing=LinkTiming(), first=True,
    )  # fmt: skip


def test_goodbye_leaves_no_will(broker: Any, peer: Any, make_ends: Any) -> None:
    """After a clean stop the last word is ours, and the broker keeps no session."""
    peer.subscribe(STATUS)
    ends = make_ends(broker.port)
    ends.wait_for_up()
    ends.link.publish(Publication(topic=STATUS, payload=b"bye", retain=True))
    assert ends.link.stop(WAIT_S)
    peer.publish(STATUS, b"end of test")
    assert [peer.next().payload for _ in range(3)] == [b"birth", b"bye", b"end of test"]


def test_broker_absent_at_start(stopped_broker: Any, make_ends: Any) -> None:
    """A broker that is not there is waited for; the reason is known meanwhile."""
    ends = make_ends(stopped_broker.port)
    assert "Connection refused" in ends.wait_for(lambda state: not state.connected).error
    stopped_broker.start()
    assert ends.wait_for_up().connections == 1


def test_broker_restarts(broker: Any, make_ends: Any, peer_of: Any) -> None:
    """After a restart the link comes back, subscribes again, and delivers what was queued meanwhile."""
    ends = make_ends(broker.port)
    ends.wait_for_up()
    broker.kill()
    assert ends.wait_for(lambda state: not state.connected).error
    ends.link.publish(Publication(topic="r", payload=b"meanwhile", retain=True))
    broker.start()
    assert ends.wait_for_up().connections == 2
    peer = peer_of(broker)
    peer.subscribe("r")
    assert peer.next().payload == b"meanwhile"
    peer.publish(INPUT, b"after")
    assert ends.arrivals.get(timeout=WAIT_S).payload == b"after"


def test_session_bridges_a_short_break(broker: Any, peer: Any, make_ends: Any) -> None:
    """While only the link is down, the broker keeps frames for us."""
    with relay(broker.port) as way:
        ends = make_ends(way.port)
        ends.wait_for_up()
        way.cut()
        ends.wait_for(lambda state: not state.connected)
        peer.publish(INPUT, b"meanwhile")
        way.mend()
        assert ends.wait_for_up().connections == 2
        assert ends.arrivals.get(timeout=WAIT_S).payload == b"meanwhile"


def test_falls_back_to_3_1_1(broker: Any, peer: Any, make_ends: Any) -> None:
    """A broker that hangs up on version 5 twice is spoken to in 3.1.1; results and frames pass. Later once will do."""
    with relay(broker.port, refuse_v5=True) as way:
        ends = make_ends(way.port)
        state = ends.wait_for_up()
        assert (state.protocol, state.ends) == ("3.1.1", {"hung_up": 2})
        way.cut()
        ends.wait_for_error()
        way.mend()
        assert ends.wait_for_up().protocol == "3.1.1"
        peer.subscribe("r")
        ends.link.publish(Publication(topic="r", payload=b"1", expiry_s=60))
        assert peer.next().payload == b"1"
        peer.publish(INPUT, b"frame")
        assert ends.arrivals.get(timeout=WAIT_S).payload == b"frame"


def levels_asked_for(make_ends: Any, n: int, answer: Callable[[Peer, int], None]) -> list[int]:
    """The protocol levels of the first CONNECTs to a broker that gives such answers, by their number."""
    levels: list[int] = []
    enough = threading.Event()

    def play(peer: Peer) -> None:
        connect = next(peer.packets())[1]
        levels.append(connect[connect.index(b"MQTT") + 4])
        if len(levels) >= n:
            enough.set()
        answer(peer, len(levels))

    with fake_broker(play) as port:
        make_ends(port, timing=QUICK)
        assert enough.wait(WAIT_S)
    return levels[:n]


def hang_up_on_the_second(peer: Peer, number: int) -> None:
    """Say nothing, but on the second connection hang up at once."""
    if number != 2:
        peer.wait()


ANSWERS: list[tuple[str, Callable[[Peer, int], None], list[int]]] = [
    ("none", lambda peer, _: peer.wait(), [5, 5, 5, 5]),
    ("none, and the end once", hang_up_on_the_second, [5, 5, 5, 5]),
    ("the end", lambda *_: None, [5, 5, 4, 5, 5, 4]),
    ("unsupported version, as MQTT 5 says it", lambda peer, _: peer.say(b"\x20\x03\x00\x84\x00"), [5, 4, 5, 4]),
    ("unsupported version, as 3.1.1 says it", lambda peer, _: peer.say(b"\x20\x02\x00\x01"), [5, 4, 5, 4]),
]


@pytest.mark.parametrize(("answer", "levels"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_only_a_refusal_is_taken_for_an_old_broker(make_ends: Any, answer: Any, levels: list[int]) -> None:
    """One that is frozen, or a network that resets once, must not pin the link to 3.1.1, which keeps no session."""
    assert levels_asked_for(make_ends, len(levels), answer) == levels


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_hundred_megabytes(broker: Any, peer: Any, make_ends: Any, version: str) -> None:
    """A payload of 100 MB never gets into our memory: the broker keeps it (5), or we hang up on it (3.1.1)."""
    with relay(broker.port, refuse_v5=version == "3.1.1") as way:
        ends = make_ends(way.port)
        assert ends.wait_for_up().protocol == version
        before = resident_mib()
        peer.publish(INPUT, bytes(100 * MIB))
        if version == "3.1.1":
            error = ends.wait_for(lambda state: not state.connected).error
            assert re.match(r"broker: expected packets of at most 42\d+ bytes, got one of 1048\d+;", error)
            ends.wait_for_up()
        peer.publish(INPUT, b"next")
        assert ends.arrivals.get(timeout=WAIT_S).payload == b"next"
        # The test's own copies of the payload are freed by now; those of the link would be there.
        assert resident_mib() - before < 80


def resident_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def test_wrong_password(broker: Any, make_ends: Any, tmp_path: Any, log_lines: list[Any]) -> None:
    """A refusal of the broker is named, logged once, and tried again with the password file read anew."""
    broker.kill()
    passwords = tmp_path / "broker-passwords"
    # The format of mosquitto_passwd, sha512 of password and salt; made by `mosquitto_passwd -H sha512`.
    passwords.write_text(f"edge:{mosquitto_hash('secret')}\n")
    passwords.chmod(0o600)
    broker.start("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    ends = make_ends(broker.port, broker={"username": "edge", "password_file": str(secret)})
    assert "Not authorized" in ends.wait_for(lambda state: not state.connected).error
    secret.write_text("secret\n")
    assert ends.wait_for_up().connections == 1
    assert [line["event"] for line in log_lines] == ["link down", "link up"]


def mosquitto_hash(password: str) -> str:
    """The entry of mosquitto's password file: ``$6$`` salt ``$`` sha512(password + salt), both base64."""
    salt = b"123456789012"
    digest = hashlib.sha512(password.encode() + salt).digest()
    return f"$6${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def test_missing_password_file(broker: Any, make_ends: Any, tmp_path: Any) -> None:
    """A password file that is missing is named as the reason."""
    ends = make_ends(broker.port, broker={"username": "edge", "password_file": str(tmp_path / "none")})
    assert "broker.password_file" in ends.wait_for(lambda state: not state.connected).error


@pytest.mark.parametrize(
    ("error", "advice"), [(PermissionError(), "/etc/edge-agent/credentials"), (FileNotFoundError(), "check the path")]
)
def test_unreadable_secret_says_where_secrets_go(error: Exception, advice: str) -> None:
    """A key that is there and that the service's user may not read is no matter of its path."""
    assert advice in how_to_read(error)


def test_refused_messages_are_logged_once(broker: Any, make_ends: Any, tmp_path: Any, log_lines: list[Any]) -> None:
    """A broker whose rules forbid our results says so; they are not sent for ever, and the link stands."""
    broker.kill()
    rules = tmp_path / "acl"
    rules.write_text("topic read #\ntopic write enginear/#\n")
    rules.chmod(0o600)
    broker.start(f"acl_file {rules}")
    ends = make_ends(broker.port)
    ends.wait_for_up()
    ends.link.publish(*(Publication(topic="r", payload=b"1") for _ in range(3)))
    assert ends.link.stop(WAIT_S)
    assert [line["event"] for line in log_lines] == ["link up", "broker refused a message"]
    assert log_lines[1]["topic"] == "r"
    assert ends.outbox.refused[Grade.RESULT] == 3


def test_refused_subscription_is_named(make_ends: Any, log_lines: list[Any]) -> None:
    """A link on which no frames can come says so: connected and silent is not well."""
    ends = make_ends(1, start=False)
    connection = connection_of(ends)
    granted, refused = ReasonCode(PacketTypes.SUBACK, "Granted QoS 1"), ReasonCode(PacketTypes.SUBACK, "Not authorized")
    connection._on_subscribe(connection._client, None, 1, [refused, granted, granted], None)
    assert connection.refusal == "broker refused the subscription to aircraft/+/engine/vibration"
    assert [line["topics"] for line in log_lines] == [["aircraft/+/engine/vibration"]]


def test_silence_instead_of_an_answer(make_ends: Any) -> None:
    """A port that takes the connection and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ends = make_ends(silent.getsockname()[1], timing=QUICK)
        assert "expected an answer" in ends.wait_for(lambda state: not state.connected).error


def test_broker_that_acknowledges_nothing(broker: Any, peer: Any, make_ends: Any) -> None:
    """A connection on which nothing is acknowledged is given up for a new one, and the message is sent there."""
    peer.subscribe("r")
    with relay(broker.port) as way:
        ends = make_ends(way.port, timing=QUICK, broker={"keepalive_s": 3_600})
        ends.wait_for_up()
        way.mute()
        ends.link.publish(Publication(topic="r", payload=b"1"))
        assert "expected acknowledgements" in ends.wait_for(lambda state: not state.connected).error
        ends.wait_for_up()
        assert [peer.next().payload for _ in range(2)] == [b"1", b"1"]
        assert ends.link.stop(WAIT_S)


def test_stop_without_a_broker(stopped_broker: Any, make_ends: Any) -> None:
    """A link that never stood stops at once and says that something is left."""
    ends = make_ends(stopped_broker.port)
    ends.link.publish(Publication(topic="r", payload=b"1"))
    assert not ends.link.stop(WAIT_S)
    assert len(ends.outbox) == 1


@pytest.mark.parametrize("part", ["will", "client", "on_change"])
def test_fault_of_ours_costs_an_attempt(broker: Any, make_ends: Any, monkeypatch: Any, part: str) -> None:
    """What fails before a connection is open, or after it, does not end the link: the next attempt follows."""
    ends = make_ends(broker.port, start=False, timing=QUICK)
    faults = iter([MemoryError("no room")])

    def failing(call: Any) -> Any:
        def fail_once(*arguments: Any, **options: Any) -> Any:
            for fault in faults:
                raise fault
            return call(*arguments, **options)

        return fail_once

    if part == "client":
        monkeypatch.setattr("edge_agent.mqtt.OneConnectionClient", failing(OneConnectionClient))
    else:
        ends.link._listener = replace(ends.listener, **{part: failing(getattr(ends.listener, part))})
    ends.link.start()
    state = ends.wait_for_up()
    assert state.ends == {"internal": 1}
    assert ends.link.stop(WAIT_S)


def test_broker_that_hangs_up_at_the_probe(make_ends: Any) -> None:
    """After three connections that it ended there is none on the fourth, which stands."""
    probed: list[bool] = []
    fourth = threading.Event()

    def play(peer: Peer) -> None:
        probed.append(False)
        for kind, body in peer.packets():
            if kind == CONNECT:
                peer.say(CONNACK)
            elif kind == SUBSCRIBE and PROBE.encode() not in body:
                peer.say(suback((kind, body)))
            elif PROBE.encode() in body:
                probed[-1] = True
                return
            elif kind == PINGREQ:
                peer.say(PINGRESP)
                if len(probed) == 4:
                    fourth.set()

    with fake_broker(play) as port:
        make_ends(port, timing=replace(QUICK, acknowledge_timeout_s=60.0))
        assert fourth.wait(WAIT_S)
    assert probed == [True, True, True, False]


def test_probe_is_tried_again_on_a_connection_that_stands(broker: Any, make_ends: Any) -> None:
    """Where it was off, on a connection that may stand for months."""
    ends = make_ends(broker.port, start=False, timing=QUICK)
    ends.link._probe._off_s = time.monotonic()
    ends.link.start()
    ends.wait_for_up()
    assert ends.link._probe.state == "refused"
    ends.link._probe._off_s = -1e9
    wait_until(lambda: ends.link.state.probe == "ok", "the probe to come back")
    assert ends.link.state.connections == 1
    assert ends.link.stop(WAIT_S)


def test_no_tcp_port_is_opened(broker: Any, make_ends: Any) -> None:
    """The link's only socket is the one to the broker: the library's own thread would open a loopback port."""
    before = sockets()
    make_ends(broker.port).wait_for_up()
    assert len(sockets() - before) == 1


def sockets() -> set[str]:
    """The open sockets of this process."""
    names = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            names.add(str(descriptor.readlink()))
    return {name for name in names if name.startswith("socket:")}
