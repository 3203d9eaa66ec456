"""The status as messages for the broker: ours, and where it is wanted the one that thin-edge.io knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from edge_agent.health import ONLINE
from edge_agent.publication import JSON, Publication
from edge_agent.status_file import MISSED_INTERVALS, encode_status
from edge_agent.verdict import FAILING

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

UP: Final = "up"
DOWN: Final = "down"


def status_messages(config: AgentConfig, document: Mapping[str, Any]) -> list[Publication]:
    """What is to be published of a status document."""
    messages = [status_message(config, document)]
    if config.topics.thin_edge_health:
        messages.append(_thin_edge(config, document))
    return messages


def status_message(config: AgentConfig, document: Mapping[str, Any]) -> Publication:
    """The retained status."""
    return Publication(topic=config.status_topic, payload=encode_status(dict(document)), content_type=JSON, retain=True)


def _thin_edge(config: AgentConfig, document: Mapping[str, Any]) -> Publication:
    """The retained health of a service, as thin-edge.io has it (te/.../service/NAME/status/health).

    MQTT has one will a connection, and that is our status. So this message expires when it is not renewed: a broker of
    version 5 does not keep an ``up`` of an agent that vanished.
    """
    well = document["state"] == ONLINE and document["health"] != FAILING
    facts = {"pid": document["pid"], "status": UP if well else DOWN, "time": document["updated"]}
    expiry_s = max(1, round(MISSED_INTERVALS * config.agent.status_interval_s)) if well else 0
    return Publication(
        topic=config.topics.thin_edge_health,
        payload=json.dumps(facts).encode(),
        content_type=JSON,
        expiry_s=expiry_s,
        retain=True,
    )
