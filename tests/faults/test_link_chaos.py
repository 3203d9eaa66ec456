"""The link under one fault after the other, drawn at random: nothing is lost, and it works in the end."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import pytest

from edge_agent.publication import Publication
from tests.conftest import Broker, Peer, wait_until
from tests.faults.ends import INPUT, PROBE, WAIT_S, linked
from tests.faults.relay import Relay, relay

FAULTS = ("cut", "mute", "deafen", "unsubscribe", "freeze")


def harm(fault: str, way: Relay, broker: Broker, duration_s: float) -> None:
    """Do it; what has to be undone is undone after a while."""
    if fault == "unsubscribe":
        way.unsubscribe(PROBE, INPUT)
    elif fault == "freeze":
        broker.signal(signal.SIGSTOP)
        time.sleep(duration_s)
        broker.signal(signal.SIGCONT)
    else:
        getattr(way, fault)()
        time.sleep(duration_s)
        way.mend()


@pytest.mark.timeout(1_200)
def test_one_fault_after_the_other(broker: Broker, peer: Peer, full: Any) -> None:
    """Every result reaches a subscriber, whatever happens on the way; afterwards frames come and the probe does."""
    n_fault = 200 if full else 3
    rng = random.Random(5)
    peer.subscribe("r")
    with relay(broker.port) as way, linked(way.port, probe_interval_s=0.3) as ends:
        ends.wait_for_up()
        for number in range(n_fault):
            ends.link.publish(*(Publication(topic="r", payload=b"%d.%d" % (number, part)) for part in range(30)))
            harm(rng.choice(FAULTS), way, broker, rng.uniform(0.0, 1.5))
            time.sleep(rng.uniform(0.0, 0.5))
        missing = {b"%d.%d" % (number, part) for number in range(n_fault) for part in range(30)}
        while missing:
            missing.discard(peer.next().payload)
        wait_until(lambda: ends.link.state.connected and ends.link.state.probe == "ok", "the link to be well")
        peer.publish(INPUT, b"frame")
        assert ends.arrivals.get(timeout=WAIT_S).payload == b"frame"
        assert "internal" not in ends.link.state.ends
