"""What of a config may change while the agent runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import AgentConfig

LIVE: Final = frozenset(
    {
        "agent.engines",
        "agent.deadline_ms",
        "agent.status_interval_s",
        "agent.log_level",
        "topics.input",
        "topics.result",
        "topics.alert",
        "topics.thin_edge_health",
        "limits.max_payload_bytes",
        "limits.inbox_frames",
        "limits.inbox_bytes",
        "limits.max_streams",
    }
)
LIVE_SECTIONS: Final = frozenset({"broker", "metrics", "update"})
"""All of their keys may change; those of ``update`` are none of the running agent's business."""


@dataclass(frozen=True, slots=True)
class ConfigState:
    """What became of the last attempt to read the config, at the start or by a reload.

    Attributes:
        loaded: Wall time at which the config in force was read, ISO 8601, UTC.
        error: Why the files were rejected since, or at the start; empty when they are what is in force.
    """

    loaded: str
    error: str = ""


def changed_keys(old: AgentConfig, new: AgentConfig) -> tuple[str, ...]:
    """The ``section.key`` that differ, in the order of the file."""
    return tuple(_changes(old, new))


def check_reload(old: AgentConfig, new: AgentConfig) -> None:
    """Refuse a config that a running agent cannot change to: all of it is taken, or nothing.

    Raises:
        ConfigError: A key differs that only a restart changes.
    """
    fixed = [key for key in changed_keys(old, new) if key not in LIVE and key.split(".")[0] not in LIVE_SECTIONS]
    if fixed:
        raise ConfigError(
            f"{', '.join(fixed)}: expected the running agent's, got other values; "
            "restart the agent to change them, or put them back and reload"
        )


def _changes(old: AgentConfig, new: AgentConfig) -> Iterator[str]:
    for section in dataclasses.fields(old):
        before, after = getattr(old, section.name), getattr(new, section.name)
        for each in dataclasses.fields(before):
            if getattr(before, each.name) != getattr(after, each.name):
                yield f"{section.name}.{each.name}"
