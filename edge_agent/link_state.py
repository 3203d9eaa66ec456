"""What the link to the broker is like, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_agent.inbox import Arrival
from edge_agent.publication import Publication


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link to the broker is.

    Attributes:
        connected: Whether the connection stands and the broker has answered our subscriptions.
        protocol: ``5`` or ``3.1.1``; that of the last attempt while not connected.
        connections: Connections that stood since the agent's start.
        error: Why the last attempt or connection ended, or which subscription was refused.
        tls: Version of TLS that is spoken, such as ``TLSv1.3``; empty without.
        sessions_lost: Connections at which the broker had forgotten our session, and the frames it kept for us.
        probe: ``waiting`` for the connection's first echo, ``ok``, ``silent``, ``refused``, or empty while there is no
            connection.
        probe_failures: Connections that were rebuilt because they were silent.
        round_trip_ms: How long the last probe took to the broker and back; 0 before the first.
        ends: Attempts and connections that ended, by reason.
    """

    connected: bool = False
    protocol: str = ""
    connections: int = 0
    error: str = ""
    tls: str = ""
    sessions_lost: int = 0
    probe: str = ""
    probe_failures: int = 0
    round_trip_ms: float = 0.0
    ends: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a connection, or the attempt at one, ended.

    Attributes:
        reason: A counter's label.
        text: What an operator reads.
    """

    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkListener:
    """What the link tells; each is called in the link's thread and must not wait.

    Attributes:
        on_arrival: A message came.
        on_change: The link went up or down.
        birth: Asked for the retained status at each connection.
        will: Asked at each connection for what the broker publishes when we vanish.
        on_fault: Something optional failed on a message, which was sent without it.
    """

    on_arrival: Callable[[Arrival], None]
    on_change: Callable[[LinkState], None]
    birth: Callable[[], Publication]
    will: Callable[[], Publication]
    on_fault: Callable[[], None] = lambda: None
