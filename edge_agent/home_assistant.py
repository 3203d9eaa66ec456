"""Tells Home Assistant of the agent and of the engines it hears; only where ``interop.home_assistant`` asks for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_agent.cloud_events import timestamp
from edge_agent.decision import NOT_ASSESSED
from edge_agent.frame import NS_PER_S
from edge_agent.home_assistant_documents import agent_device, discovery_topic, engine_device
from edge_agent.publication import JSON, Grade, Publication
from edge_agent.topics import TopicTemplate

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last said of an engine, and when."""

    state: str
    reason: str
    flight: str
    at_ns: int

    def is_of(self, assessment: Assessment) -> bool:
        """Whether the engine is still in that state."""
        said = assessment.state, assessment.reason, assessment.flight
        return said == (self.state, self.reason, self.flight)


class HomeAssistant:
    """An observer that keeps a small retained state of each engine, and announces devices.

    At most ``limits.max_streams`` engines are announced in one run: names come from outside.

    Args:
        config: The agent's config.
        now_ns: The monotonic clock.
    """

    def __init__(self, config: AgentConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._config = config
        self._topic = TopicTemplate(config.topics.state)
        self._interval_ns = round(config.agent.status_interval_s * NS_PER_S)
        self._now_ns = now_ns
        self._told: dict[tuple[str, str], _Told] = {}
        self._announced: set[tuple[str, str]] = set()
        self._connections = 0
        # The worker observes, the main thread announces.
        self._lock = threading.Lock()

    @property
    def observers(self) -> tuple[HomeAssistant, ...]:
        """Itself, where Home Assistant is to be told anything."""
        return (self,) if self._config.interop.home_assistant else ()

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """See ``Observer``: the last state of the frame, where it is another, or an interval after the last time."""
        if not judgements:
            return []
        assessment, engine = judgements[-1].assessment, (frame.aircraft, frame.engine)
        now_ns = self._now_ns()
        with self._lock:
            told = self._told.get(engine)
            if told is None and len(self._told) >= self._config.limits.max_streams:
                return []
            if told and told.is_of(assessment) and now_ns - told.at_ns < self._interval_ns:
                return []
            self._told[engine] = _Told(assessment.state, assessment.reason, assessment.flight, now_ns)
        topic = self._topic.fill(aircraft=frame.aircraft, engine=frame.engine)
        return [self._retained(topic, state_document(assessment), expiry_s=self._config.broker.message_expiry_s)]

    def tick(self, connections: int) -> list[Publication]:
        """Announce what is new; all of it on another connection: its broker may have forgotten what it kept.

        Args:
            connections: How many connections there have been.
        """
        if not self.observers:
            return []
        with self._lock:
            if connections != self._connections:
                self._announced.clear()
            fresh = [engine for engine in self._told if engine not in self._announced]
            self._announced.update(fresh)
            is_another, self._connections = connections != self._connections, connections
        devices = [agent_device(self._config)] if is_another else []
        devices += [engine_device(self._config, *engine) for engine in fresh]
        return [self._retained(discovery_topic(self._config, own_id), document) for own_id, document in devices]

    def _retained(self, topic: str, document: Mapping[str, Any], **more: int) -> Publication:
        return Publication(
            topic=topic,
            payload=json.dumps(document).encode(),
            content_type=JSON,
            retain=True,
            grade=Grade.TELEMETRY,
            **more,
        )


def state_document(assessment: Assessment) -> dict[str, Any]:
    """What is said of an engine in few words; docs/reference/payload.md.

    ``ratio`` is score over threshold; 0, as both of them, where the window is not assessed.
    """
    is_assessed = assessment.state != NOT_ASSESSED
    return {
        "schema": SCHEMA,
        "state": assessment.state,
        "reason": assessment.reason,
        "ratio": round(assessment.score / assessment.threshold, 4) if is_assessed else 0.0,
        "score": assessment.score,
        "threshold": assessment.threshold,
        "flight": assessment.flight,
        "phase": assessment.phase,
        "time": timestamp(assessment.end_ns),
        "features": [part.feature for part in assessment.contributions],
        "bundle_id": assessment.bundle_id,
    }
