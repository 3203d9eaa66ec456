"""The link when the network fails: packets lost, all of them lost, one direction dead."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.link_timing import LinkTiming
from edge_agent.publication import Publication
from edge_agent.result import decode_result
from edge_agent.wire import encode_frame
from tests.conftest import Broker, Peer, wait_until
from tests.e2e.conftest import RunningAgent
from tests.e2e.test_agent_broker import INPUT as FRAMES
from tests.e2e.test_agent_broker import RESULT, expected_of, is_online, without_runtime
from tests.e2e.test_agent_broker import STATUS as ONLINE
from tests.faults.ends import INPUT, QUICK, WAIT_S, Ends, linked
from tests.faults.namespace import FarBroker, far_broker
from tests.faults.relay import Relay, relay


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarBroker]:
    """A broker behind a network that can fail."""
    with far_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def far_peer(far: FarBroker) -> Iterator[Peer]:
    """A client of it whose network does not fail."""
    peer = far.peer()
    yield peer
    peer.close()


def publish(ends: Ends, numbers: range) -> None:
    """Queue results with numbers."""
    ends.link.publish(*(Publication(topic="r", payload=b"%d" % number) for number in numbers))


def collect(peer: Peer, numbers: range) -> None:
    """Wait for a result of each number; what was in flight at a break may come twice."""
    missing = {b"%d" % number for number in numbers}
    while missing:
        missing.discard(peer.next().payload)


def test_loss(far: FarBroker, far_peer: Peer) -> None:
    """With a tenth of the packets lost everything arrives; a frame may come twice, never a first time out of order."""
    far_peer.subscribe("r")
    far.lose(10)
    with linked(far.port, LinkTiming(), host=far.host) as ends:
        ends.wait_for_up()
        publish(ends, range(100))
        far_peer.flood(INPUT, [b"%d" % number for number in range(100)])
        collect(far_peer, range(100))
        first_times: dict[bytes, None] = {}
        while len(first_times) < 100:
            first_times.setdefault(ends.arrivals.get(timeout=WAIT_S).payload)
        assert list(first_times) == [b"%d" % number for number in range(100)]
        far.heal()


def test_partition(far: FarBroker, far_peer: Peer) -> None:
    """Through a partition nothing is lost: results wait here, and frames there."""
    far_peer.subscribe("r")
    with linked(far.port, QUICK, host=far.host) as ends:
        ends.wait_for_up()
        far.lose(100)
        publish(ends, range(20))
        assert "expected acknowledgements within" in ends.wait_for_error()
        publish(ends, range(20, 200))
        far_peer.publish(INPUT, b"meanwhile")
        wait_until(lambda: "unreachable" in ends.link.state.ends, "an attempt to fail")
        far.heal()
        ends.wait_for_up()
        collect(far_peer, range(200))
        assert ends.arrivals.get(timeout=WAIT_S).payload == b"meanwhile"


@pytest.mark.timeout(900)
def test_time_back(far: FarBroker, far_peer: Peer, full: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """After partitions of several lengths the link is back within what docs/reference/link.md argues for.

    Not a matter of the machine's speed: of timeouts, and of when the kernel sends again.
    """
    if not full:
        pytest.skip("takes minutes; `make test-faults` runs it")
    timing = LinkTiming()
    bound_s = timing.longest_block_s + timing.longest_backoff_s + timing.handshake_timeout_s
    far_peer.subscribe("r")
    rows = []
    with linked(far.port, timing, host=far.host, keepalive_s=15) as ends:
        ends.wait_for_up()
        numbers = itertools.count()
        for outage_s in (2.0, 8.0, 15.0, 19.0, 25.0, 40.0, 60.0, 90.0):
            far.lose(100)
            began_s = time.monotonic()
            while time.monotonic() < began_s + outage_s:
                publish(ends, range(n := next(numbers), n + 1))
                time.sleep(0.5)
            far.heal()
            healed_s = time.monotonic()
            last = next(numbers)
            publish(ends, range(last, last + 1))
            far_peer.next_where(lambda message, last=last: message.payload == b"%d" % last)
            back_s = time.monotonic() - healed_s
            rows.append((outage_s, back_s, back_s / bound_s, ends.link.state.connections))
            time.sleep(12.0)
    with capsys.disabled():
        print("\noutage s  back s  of bound  connections")  # noqa: T201
        for row in rows:
            print(f"{row[0]:8.0f} {row[1]:7.1f} {row[2]:9.2f} {row[3]:12d}")  # noqa: T201
    assert max(share for _, _, share, _ in rows) <= 1.0


@pytest.fixture
def deaf_agent(broker: Broker, tmp_path: Path, small_bundle: Any) -> Iterator[tuple[RunningAgent, Relay]]:
    """An agent behind a relay; it waits a minute for answers to its pings."""
    with relay(broker.port) as way:
        agent = RunningAgent(tmp_path, small_bundle, way.port)
        agent.config.write_text(agent.config.read_text().replace("keepalive_s = 2", "keepalive_s = 60"))
        agent.start()
        yield agent, way
        agent.end()


def test_inference_goes_on(deaf_agent: tuple[RunningAgent, Relay], peer: Peer, small_bundle: Any) -> None:
    """While nothing leaves the agent, windows are decided; when the way is free again, all results arrive.

    What the journal took meanwhile comes after what is live, so the order is that of ``seq`` only once they are sorted.
    """
    agent, way = deaf_agent
    frames = small_bundle.frames(30.0)
    expected = expected_of(small_bundle, frames)
    peer.subscribe(ONLINE)
    peer.next_where(is_online)
    wait_until((agent.state_dir / "status.json").is_file, "the agent's first status")
    peer.subscribe(RESULT)
    way.deafen()
    peer.flood(FRAMES, [encode_frame(frame) for frame in frames], qos=0)
    decided = wait_until(
        lambda: (counters := agent.status()["counters"]).get("windows.normal", 0) == len(expected) and counters,
        "all windows to be decided",
    )
    assert decided["outbox_waiting"] + decided["journal_waiting.result"] >= len(expected)
    assert agent.status()["link"]["connected"]
    way.cut()
    way.mend()
    results = [peer.next_where(lambda message: message.topic == RESULT).payload for _ in expected]
    results.sort(key=lambda payload: decode_result(payload).assessment.seq)
    assert [without_runtime(payload) for payload in results] == expected
    assert agent.stop() == 0
