"""Both ends of a link, for tests that break what is between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from edge_agent.config import AgentConfig, parse_config
from edge_agent.inbox import Arrival
from edge_agent.link import Link
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.link_timing import LinkTiming
from edge_agent.outbox import Outbox
from edge_agent.publication import JSON, Publication

WAIT_S = 60.0
"""Longest wait for a condition; only a failing test waits that long."""
STATUS = "enginear/a1/status"
PROBE = "enginear/a1/probe"
INPUT = "aircraft/A/engine/1/vibration"

QUICK = LinkTiming(
    connect_timeout_s=2.0, handshake_timeout_s=1.0, acknowledge_timeout_s=1.0, probe_timeout_s=0.5,
    first_backoff_s=0.05, longest_backoff_s=0.4, taken_over_backoff_s=1.0, stable_s=0.5, tick_s=0.05,
)  # fmt: skip
"""The usual timing, about twenty times as fast."""


class Ends:
    """What arrived, how the link changed, and what is to be sent.

    Args:
        config: Of the link.
        timing: Of the link.
    """

    def __init__(self, config: AgentConfig, timing: LinkTiming = LinkTiming()) -> None:  # noqa: B008 - frozen
        self.config = config
        self.arrivals: SimpleQueue[Arrival] = SimpleQueue()
        self.changes: SimpleQueue[LinkState] = SimpleQueue()
        self.outbox = Outbox(10_000)
        self.listener = LinkListener(
            on_arrival=self.arrivals.put,
            on_change=self.changes.put,
            birth=lambda: Publication(topic=STATUS, payload=b"birth", content_type=JSON, retain=True),
            will=lambda: Publication(topic=STATUS, payload=b"will", content_type=JSON, retain=True),
        )
        self.link = Link(config, self.outbox, self.listener, timing)

    def wait_for(self, wanted: Callable[[LinkState], bool]) -> LinkState:
        """The next change that is wanted."""
        while not wanted(state := self.changes.get(timeout=WAIT_S)):
            pass
        return state

    def wait_for_up(self) -> LinkState:
        """The next time the link comes up."""
        return self.wait_for(lambda state: state.connected)

    def wait_for_error(self) -> str:
        """Why it went down, or did not come up, the next time."""
        return self.wait_for(lambda state: not state.connected).error


def link_config(port: int, **broker: Any) -> AgentConfig:
    """A config for a broker on ``port`` of this machine; ``broker`` holds further keys of its table."""
    document: dict[str, Any] = {
        "agent": {"id": "a1", "fleet": "test"},
        "bundle": {"path": "none", "keys": ["none"]},
        "broker": {"host": "127.0.0.1", "port": port, "keepalive_s": 2, **broker},
    }
    return parse_config(document, folder=Path("/"))


@contextmanager
def linked(port: int, timing: LinkTiming = QUICK, **broker: Any) -> Iterator[Ends]:
    """A running link."""
    ends = Ends(link_config(port, **broker), timing)
    ends.link.start()
    try:
        yield ends
    finally:
        ends.link.stop(0.0)
