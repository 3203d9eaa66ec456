"""The link and what happens to a real mosquitto: frozen, stopped, forgetful, strict, and silent."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from edge_agent.publication import Publication
from tests.conftest import Broker, Peer, wait_until
from tests.faults.ends import INPUT, PROBE, WAIT_S, Ends, linked
from tests.faults.relay import relay

OFTEN = {"probe_interval_s": 0.2}


def wait_for_probe(ends: Ends, state: str) -> None:
    """Wait until the probe's state is ``state``."""
    wait_until(lambda: ends.link.state.probe == state, f"the probe to be {state}")


def passes(ends: Ends, peer: Peer) -> None:
    """Frames come and results go."""
    peer.publish(INPUT, b"frame")
    assert ends.arrivals.get(timeout=WAIT_S).payload == b"frame"
    peer.subscribe("r")
    ends.link.publish(Publication(topic="r", payload=b"result"))
    assert peer.next_where(lambda message: message.topic == "r").payload == b"result"


@pytest.mark.parametrize("old", [False, True], ids=["5", "3.1.1"])
def test_probe_comes_back(broker: Broker, peer: Peer, old: bool) -> None:  # noqa: FBT001
    """The first probe goes out as soon as the link stands; neither it nor another's on its topic reaches the worker."""
    with relay(broker.port, refuse_v5=old, delay_s=0.02) as way, linked(way.port) as ends:
        ends.wait_for_up()
        wait_for_probe(ends, "ok")
        assert ends.link.state.round_trip_ms >= 40.0
        peer.publish(PROBE, b"a stranger's")
        passes(ends, peer)
        assert (ends.link.state.probe, ends.link.state.probe_failures) == ("ok", 0)


@pytest.mark.parametrize("old", [False, True], ids=["5", "3.1.1"])
def test_subscriptions_silently_dropped(broker: Broker, peer: Peer, old: bool) -> None:  # noqa: FBT001
    """A broker that has lost our subscriptions still answers pings; the probe finds it, and frames come again."""
    with relay(broker.port, refuse_v5=old) as way, linked(way.port, **OFTEN) as ends:
        ends.wait_for_up()
        wait_for_probe(ends, "ok")
        way.unsubscribe(PROBE, "aircraft/+/engine/+/vibration", v5=not old)
        assert "connected but silent" in ends.wait_for_error()
        state = ends.wait_for_up()
        assert (state.connections, state.probe_failures, state.ends["silent"]) == (2, 1, 1)
        passes(ends, peer)
        wait_for_probe(ends, "ok")


def test_frozen_broker(broker: Broker, peer: Peer) -> None:
    """A broker that is frozen keeps its socket open; the link is rebuilt, and all arrives once it thaws."""
    with linked(broker.port, **OFTEN, keepalive_s=3_600) as ends:
        ends.wait_for_up()
        peer.subscribe("r")
        broker.signal(signal.SIGSTOP)
        ends.link.publish(*(Publication(topic="r", payload=b"%d" % number) for number in range(50)))
        assert "expected acknowledgements within" in ends.wait_for_error()
        wait_until(lambda: "no_answer" in ends.link.state.ends, "an attempt on the frozen broker to end")
        broker.signal(signal.SIGCONT)
        ends.wait_for_up()
        missing = {b"%d" % number for number in range(50)}
        while missing:  # what was in flight may come twice
            missing.discard(peer.next().payload)


def test_frozen_broker_on_an_idle_link(broker: Broker) -> None:
    """With nothing to send, the probe is what is not acknowledged."""
    with linked(broker.port, **OFTEN, keepalive_s=3_600) as ends:
        ends.wait_for_up()
        wait_for_probe(ends, "ok")
        broker.signal(signal.SIGSTOP)
        assert "expected acknowledgements within" in ends.wait_for_error()
        broker.signal(signal.SIGCONT)
        ends.wait_for_up()


@pytest.mark.parametrize("wiped", [False, True])
def test_session(stopped_broker: Broker, peer_of: Any, tmp_path: Path, wiped: bool) -> None:  # noqa: FBT001
    """A broker that keeps sessions on disk, and is killed, delivers what it kept; a wiped disk is told of.

    mosquitto 2.0.11 writes down only sessions that have been resumed once.
    """
    store = tmp_path / "store"
    store.mkdir()
    keeping = ("persistence true", f"persistence_location {store}/")
    broker = stopped_broker
    broker.start(*keeping)
    with relay(broker.port) as way, linked(way.port, session_expiry_s=600) as ends:
        for _ in range(2):
            ends.wait_for_up()
            way.cut()
            ends.wait_for_error()
            way.mend()
        ends.wait_for_up()
        way.cut()
        ends.wait_for_error()
        peer_of(broker).publish(INPUT, b"meanwhile")
        broker.signal(signal.SIGUSR1)
        wait_until((store / "mosquitto.db").is_file, "mosquitto to write its store")
        broker.kill()
        if wiped:
            (store / "mosquitto.db").unlink()
        broker.start(*keeping)
        way.mend()
        assert ends.wait_for_up().sessions_lost == int(wiped)
        passes_after(ends, peer_of(broker), [] if wiped else [b"meanwhile"])


def passes_after(ends: Ends, peer: Peer, earlier: list[bytes]) -> None:
    """Frames come, after those that the broker kept."""
    peer.publish(INPUT, b"frame")
    assert [ends.arrivals.get(timeout=WAIT_S).payload for _ in range(len(earlier) + 1)] == [*earlier, b"frame"]


RULES: dict[str, tuple[bool, list[str], str]] = {
    "may not publish": (False, ["topic read #", "topic write r", "topic write aircraft/#"], "the broker refuses"),
    "may not read": (False, ["topic write #", "topic read aircraft/#", "topic read r"], "no probe has ever come back"),
    "may not read, 3.1.1": (True, ["topic write #", "topic read aircraft/#", "topic read r"], "no probe has ever come"),
    "may not publish, 3.1.1": (True, ["topic read #", "topic write r", "topic write aircraft/#"], "no probe has ever"),
}


@pytest.mark.parametrize("case", RULES.values(), ids=RULES)
def test_rules_that_forbid_the_probe(
    broker: Broker, peer_of: Any, tmp_path: Path, log_lines: list[Any], case: tuple[bool, list[str], str]
) -> None:
    """Where the broker's rules do not let probes pass, one warning says so, and the link stands and works."""
    old, rules, reason = case
    broker.kill()
    acl = tmp_path / "acl"
    acl.write_text("\n".join(rules) + "\n")
    acl.chmod(0o600)
    broker.start(f"acl_file {acl}")
    with relay(broker.port, refuse_v5=old) as way, linked(way.port, **OFTEN) as ends:
        ends.wait_for_up()
        wait_for_probe(ends, "refused")
        passes(ends, peer_of(broker))
        failures = ends.link.state.probe_failures
        assert failures <= 1
        assert ends.link.state.connections == 1 + failures
    (warning,) = [line for line in log_lines if line["event"] == "probe refused"]
    assert warning["reason"].startswith(reason)


def test_two_agents_of_one_name(broker: Broker) -> None:
    """Two clients of one name drive each other out; each takes ever longer to come back, and hints at it."""
    with linked(broker.port) as first, linked(broker.port) as second:
        for ends in (first, second):
            assert "another client come with our client id" in ends.wait_for_error()
        wait_until(lambda: second.link.state.ends.get("lost", 0) >= 5, "the two to drive each other out")
        assert not set(first.link.state.ends) - {"lost"}


def test_slow_way(broker: Broker, peer: Peer) -> None:
    """A way that takes 0.3 s each way costs time and nothing else."""
    with relay(broker.port, delay_s=0.15) as way, linked(way.port, probe_interval_s=3_600.0) as ends:
        ends.wait_for_up()
        peer.subscribe("r")
        ends.link.publish(*(Publication(topic="r", payload=b"%d" % number) for number in range(40)))
        assert [peer.next().payload for _ in range(40)] == [b"%d" % number for number in range(40)]
        assert (ends.link.state.connections, ends.link.state.ends) == (1, {})


def test_message_too_long_for_the_broker(stopped_broker: Broker, peer_of: Any, log_lines: list[Any]) -> None:
    """A broker hangs up over what is longer than it said it takes: that is dropped and told, all else passes."""
    stopped_broker.start("max_packet_size 3000")
    peer = peer_of(stopped_broker)
    peer.subscribe("r")
    with linked(stopped_broker.port) as ends:
        ends.wait_for_up()
        ends.link.publish(Publication(topic="r", payload=bytes(3_001)), Publication(topic="r", payload=b"short"))
        assert peer.next().payload == b"short"
        ends.link.publish(Publication(topic="r", payload=bytes(2_900)))
        assert peer.next().payload == bytes(2_900)
        wait_until(lambda: ends.outbox.acknowledged == 3, "both and the birth to be acknowledged")
        assert (ends.outbox.dropped, len(ends.outbox), ends.link.state.connections) == (1, 0, 1)
    assert [line["n_byte"] > 3_000 for line in log_lines if line["event"] == "message too long for the broker"] == [
        True
    ]
