"""What Home Assistant is told to look for: one device an agent, one device an engine. No I/O.

The format is that of its discovery of whole devices (``<prefix>/device/<id>/config``, since 2024.11).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from edge_agent.decision import ALARM, NORMAL, NOT_ASSESSED, WARNING
from edge_agent.topics import TopicTemplate
from edge_agent.verdict import DEGRADED, FAILING, OK
from edge_agent.version import AGENT_VERSION

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

MAKER: Final = "Enginear"
_SIGN = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 40


def object_id(*names: str) -> str:
    """An id that Home Assistant takes and that no two lists of names share."""
    plain = _SIGN.sub("_", "-".join(names))[:_LONGEST]
    return f"enginear-{plain}-{hashlib.sha256('/'.join(names).encode()).hexdigest()[:8]}"


def discovery_topic(config: AgentConfig, own_id: str) -> str:
    """Where a device is announced."""
    return f"{config.interop.home_assistant}/device/{own_id}/config"


def agent_device(config: AgentConfig) -> tuple[str, dict[str, Any]]:
    """Id and announcement of the agent."""
    own_id = object_id(config.agent.id)
    health = {
        "platform": "sensor",
        "name": "Health",
        "unique_id": f"{own_id}-health",
        "device_class": "enum",
        "options": [OK, DEGRADED, FAILING],
        "value_template": "{{ value_json.health }}",
        "entity_category": "diagnostic",
    }
    running = {
        "platform": "binary_sensor",
        "name": "Running",
        "unique_id": f"{own_id}-running",
        "device_class": "running",
        "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
        "entity_category": "diagnostic",
    }
    document = {
        "device": _device(own_id, f"Edge agent {config.agent.id}", "edge-agent"),
        "origin": _origin(),
        "state_topic": config.status_topic,
        "components": {"health": health, "running": running},
    }
    return own_id, document


def engine_device(config: AgentConfig, aircraft: str, engine: str, silence_s: int) -> tuple[str, dict[str, Any]]:
    """Id and announcement of an engine.

    It is available while the agent that watches it is, and until ``silence_s`` seconds without a state have passed.
    """
    own_id = object_id(config.agent.id, aircraft, engine)
    topic = TopicTemplate(config.topics.state).fill(aircraft=aircraft, engine=engine)
    device = {**_device(own_id, f"{aircraft} engine {engine}", "engine"), "via_device": object_id(config.agent.id)}
    document = {
        "device": device,
        "origin": _origin(),
        "state_topic": topic,
        "availability": [
            {
                "topic": config.status_topic,
                "value_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
            }
        ],
        "components": _engine_components(own_id, topic, silence_s),
    }
    return own_id, document


def _engine_components(own_id: str, topic: str, silence_s: int) -> dict[str, Any]:
    state = {
        "platform": "sensor",
        "name": "State",
        "unique_id": f"{own_id}-state",
        "device_class": "enum",
        "options": [NORMAL, WARNING, ALARM, NOT_ASSESSED],
        "value_template": "{{ value_json.state }}",
        "json_attributes_topic": topic,
    }
    alarm = {
        "platform": "binary_sensor",
        "name": "Alarm",
        "unique_id": f"{own_id}-alarm",
        "device_class": "problem",
        "value_template": "{{ 'ON' if value_json.state == 'alarm' else 'OFF' }}",
    }
    ratio = {
        "platform": "sensor",
        "name": "Score over threshold",
        "unique_id": f"{own_id}-ratio",
        "state_class": "measurement",
        # None makes it unknown: a window that is not assessed has no score.
        "value_template": "{{ value_json.ratio if value_json.state != 'not_assessed' else None }}",
    }
    components: dict[str, dict[str, Any]] = {"state": state, "alarm": alarm, "ratio": ratio}
    return {key: {**each, "expire_after": silence_s} for key, each in components.items()}


def _device(own_id: str, name: str, model: str) -> dict[str, Any]:
    return {
        "identifiers": [own_id],
        "name": name,
        "manufacturer": MAKER,
        "model": model,
        "sw_version": AGENT_VERSION,
    }


def _origin() -> dict[str, str]:
    return {"name": MAKER, "sw_version": AGENT_VERSION}
