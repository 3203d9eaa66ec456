"""What the link to the broker is like, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """

    connected: bool = False
    protocol: str = ""
    connections: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkListener:
    """What the link tells; each is called in the link's thread and must not wait.

    Attributes:
        on_arrival: A message came.
        on_change: The link went up or down.
        birth: Asked for the retained status at each connection.
        will: Left with the broker, which publishes it when we vanish.
    """

    on_arrival: Callable[[Arrival], None]
    on_change: Callable[[LinkState], None]
    birth: Callable[[], Publication]
    will: Publication
