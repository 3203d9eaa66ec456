"""The status as messages for the broker: ours, and where it is wanted the one that thin-edge.io knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from edge_agent.health import ONLINE, VANISHED, offline
from edge_agent.publication import JSON, Publication
from edge_agent.status_file import MISSED_INTERVALS, encode_status
from edge_agent.verdict import FAILING

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

UP: Final = "up"
DOWN: Final = "down"
LONGEST_WILL: Final = 32 * 1024
"""MQTT takes 65,535 bytes of a will, and without one there would be no connection at all."""
_MOST_OF_AN_ERROR: Final = 1024


def status_messages(config: AgentConfig, document: Mapping[str, Any]) -> list[Publication]:
    """What is to be published of a status document."""
    messages = [status_message(config, document)]
    if config.topics.thin_edge_health:
        messages.append(_thin_edge(config, document))
    return messages


def status_message(config: AgentConfig, document: Mapping[str, Any]) -> Publication:
    """The retained status."""
    return Publication(topic=config.status_topic, payload=encode_status(dict(document)), content_type=JSON, retain=True)


def will_message(config: AgentConfig, document: Mapping[str, Any]) -> Publication:
    """What the broker publishes when we vanish: the retained status, without the lists that grow with what comes."""
    gone = offline(document, VANISHED)
    message = status_message(config, gone)
    if len(message.payload) <= LONGEST_WILL:
        return message
    error = gone["config"]["error"][:_MOST_OF_AN_ERROR]
    short = {"load": {**gone["load"], "dropped": {}}, "heard_s": {}, "config": {**gone["config"], "error": error}}
    return status_message(config, {**gone, **short})


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
