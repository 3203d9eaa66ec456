"""A log that nobody reads: journald may be frozen, restarting, or waiting for a disk."""

from __future__ import annotations

import os
from typing import Any

from edge_agent.wire import encode_frame
from tests.e2e.conftest import make_agent  # noqa: F401 - a fixture
from tests.e2e.test_agent_broker import INPUT, RESULT, counters_when, expected_of, without_runtime

N_REFUSED = 1_000
PIPE_BYTES = 65_536


def test_results_do_not_wait_for_the_log(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:  # noqa: F811
    """More is logged than the pipe to the reader holds, and nobody reads: results come, and a stop is a stop."""
    agent = make_agent(broker.port)
    os.mkfifo(agent.log)
    reader = os.open(agent.log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        agent.start()
        agent.notified(b"READY=1")
        counters_when(agent, "frames_received", 0)
        peer.subscribe(RESULT)
        for number in range(N_REFUSED):
            peer.flood(f"aircraft/{number:0100d}/engine/vibration", [b"no frame"])
        frames = small_bundle.frames(6.0, faulty_from_s=3.0)
        expected = expected_of(small_bundle, frames)
        for frame in frames:
            peer.publish(INPUT, encode_frame(frame))
        assert [without_runtime(peer.next().payload) for _ in expected] == expected
        counters_when(agent, "frames_received", N_REFUSED + len(frames))
        assert agent.stop() == 0
        assert len(os.read(reader, 2 * PIPE_BYTES)) > PIPE_BYTES // 2
    finally:
        os.close(reader)
