"""``[interop]`` of agent.toml: what else the agent says, in the words of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.topics import check_template

NOBODY: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteropSection:
    """``[interop]``: what is said in the words of others; off unless asked for.

    Attributes:
        cloud_events: Whether results and alerts carry the attributes of CloudEvents, as user properties (MQTT 5).
        home_assistant: Prefix of Home Assistant's discovery, as ``homeassistant``; empty: it is told nothing.
    """

    cloud_events: bool = False
    home_assistant: str = NOBODY

    def __post_init__(self) -> None:
        if self.home_assistant:
            check_template(self.home_assistant, where="interop.home_assistant", places=(), wildcards=False)
