"""Waits between attempts."""

from __future__ import annotations

from edge_agent.backoff import Backoff
from edge_agent.link_timing import LinkTiming


def test_doubling_half_at_random() -> None:
    """Each wait is half to the whole of a limit that doubles up to the longest."""
    backoff = Backoff(0.5, 10.0)
    for _ in range(50):
        for limit_s in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
            assert limit_s / 2 <= backoff.next_s() <= limit_s
        backoff.reset()


def test_back_within_30_s() -> None:
    """docs/reference/link.md: an attempt that fails, the longest wait and one that succeeds are less."""
    timing = LinkTiming()
    assert timing.longest_block_s + timing.longest_backoff_s <= 20.0
    assert timing.handshake_timeout_s + timing.longest_backoff_s <= 20.0
    # A connection that stood through the outage is given up, at the latest, so long after it began.
    assert timing.acknowledge_timeout_s + timing.first_backoff_s <= 30.0
