"""Parts of the agent that its config and its bundle say all about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.inbox import Inbox
from edge_agent.recent_scalers import RecentScalers
from edge_agent.swap_parts import silence_ns_of
from edge_agent.topics import TopicTemplate
from edge_agent.unit_files import units_folder
from edge_agent.unit_store import UnitStore
from edge_agent.unit_watch import UnitWatch

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel

_UNITS_PER_STREAM = 4


def most_units(config: AgentConfig) -> int:
    """So many units are remembered: more than are heard at a time, for engines are exchanged."""
    return _UNITS_PER_STREAM * config.limits.max_streams


def inbox_of(config: AgentConfig, model: LoadedModel) -> Inbox:
    """Where frames wait."""
    return Inbox(
        max_frames=config.limits.inbox_frames, max_bytes=config.limits.inbox_bytes, silence_ns=silence_ns_of(model)
    )


def unit_store_of(config: AgentConfig) -> UnitStore:
    """What is known of units, on disk."""
    return UnitStore(units_folder(config.agent.state_dir), limit=most_units(config))


def unit_watch_of(config: AgentConfig, model: LoadedModel, units: UnitStore) -> UnitWatch:
    """Keeps and tells what is learned of units."""
    return UnitWatch(
        units, TopicTemplate(config.topics.unit), RecentScalers(model), expiry_s=config.broker.message_expiry_s
    )
