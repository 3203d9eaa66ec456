"""``[journal]`` of agent.toml."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.settings import number


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSection:
    """``[journal]``: what is kept on disk until the broker has it.

    Attributes:
        enabled: Whether anything is; without it, a restart loses what the broker has not acknowledged.
        max_mib: Most MiB that are kept; beyond, the oldest of the lowest grade goes.
        backlog_per_s: Most messages a second that are sent late, beside those that are live.
    """

    enabled: bool = True
    max_mib: int = number(64, low=1, high=65_536)
    backlog_per_s: float = number(50.0, low=0.1, high=10_000.0)
