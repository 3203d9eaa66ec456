"""Tells Home Assistant of the agent and of the engines it hears; only where ``interop.home_assistant`` asks for it."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from edge_agent.cloud_events import timestamp
from edge_agent.decision import NOT_ASSESSED
from edge_agent.frame import NS_PER_S
from edge_agent.home_assistant_documents import agent_device, discovery_topic, engine_device
from edge_agent.publication import JSON, Grade, Publication
from edge_agent.status_file import MISSED_INTERVALS
from edge_agent.topics import TopicTemplate

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame

SCHEMA = 1
MISSED_WINDOWS: Final = 2
"""So many windows without a state, and an engine counts as silent."""
ANNOUNCED_S: Final = 86_400
"""So long a broker keeps an announcement that is not repeated (MQTT 5): of what is told no more, nothing stays."""
REPEATED_NS: Final = ANNOUNCED_S // 2 * NS_PER_S
_SHARE_OF_OUTBOX: Final = 4
"""A turn announces what fills a quarter of the outbox at most; the rest has its turn later."""
_Engine = tuple[str, str]
_AGENT: Final[_Engine] = ("", "")
"""Stands for the agent among the engines that were announced; no engine has empty names."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last said of an engine, when, and whether it is held back until there is a link."""

    assessment: Assessment
    at_ns: int
    is_held: bool

    def is_of(self, assessment: Assessment) -> bool:
        """Whether the engine is still in that state."""
        said = self.assessment
        return (assessment.state, assessment.reason, assessment.flight) == (said.state, said.reason, said.flight)


class HomeAssistant:
    """An observer that keeps a small retained state of each engine, and announces devices.

    At most ``limits.max_streams`` engines are announced in one run: names come from outside. Without a link nothing is
    queued: only the last state of an engine counts, and it is said when the link stands.

    Args:
        config: The agent's config.
        model: The model that decides: its windows say how often a state is due.
        is_connected: Whether the link stands.
        now_ns: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        model: LoadedModel,
        is_connected: Callable[[], bool],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._is_connected = is_connected
        self._now_ns = now_ns
        self._told: dict[_Engine, _Told] = {}
        self._announced: dict[_Engine, int] = {}
        self._connections = 0
        # The worker observes, the main thread announces.
        self._lock = threading.Lock()
        self._take(config, model)

    def _take(self, config: AgentConfig, model: LoadedModel) -> None:
        self._config, self._model = config, model
        self._topic = TopicTemplate(config.topics.state)
        self._interval_ns = round(config.agent.status_interval_s * NS_PER_S)
        self._silence_s = silence_s(config, model)

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, from any thread; an engine that is followed no more is forgotten."""
        followed = config.agent.engines
        with self._lock:
            self._renew(config, self._model)
            if followed:
                self._told = {name: told for name, told in self._told.items() if "/".join(name) in followed}

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides, from the next turn of the worker on."""
        with self._lock:
            self._renew(self._config, model)

    def _renew(self, config: AgentConfig, model: LoadedModel) -> None:
        before = self._silence_s
        self._take(config, model)
        if self._silence_s != before:
            self._announced.clear()

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
            is_held = not self._is_connected()
            self._told[engine] = _Told(assessment, now_ns, is_held)
        return [] if is_held else [self._state(assessment)]

    def tick(self, connections: int) -> list[Publication]:
        """Announce what is new, and say what was held back; to be called while the link stands.

        On another connection all of it is announced again: its broker may have forgotten what it kept.

        Args:
            connections: How many connections there have been.
        """
        if not self.observers:
            return []
        with self._lock:
            if connections != self._connections:
                self._announced.clear()
                self._connections = connections
            config, after_s = self._config, self._silence_s
            announced, assessments = self._next_turn(self._now_ns())
        # Not with the lock in hand, which the worker may wait for.
        devices = [
            agent_device(config) if name == _AGENT else engine_device(config, *name, after_s) for name in announced
        ]
        documents = [(discovery_topic(config, own_id), document) for own_id, document in devices]
        announcements = [_retained(topic, document, ANNOUNCED_S) for topic, document in documents]
        return announcements + [self._state(each) for each in assessments]

    def _next_turn(self, now_ns: int) -> tuple[list[_Engine], list[Assessment]]:
        """What is to be announced, and the states that were held back; not more than may wait at once."""
        due = {name for name in (_AGENT, *self._told) if self._is_due(name, now_ns)}
        waiting = [name for name, told in self._told.items() if told.is_held or name in due]
        turn = waiting[: max(1, self._config.limits.outbox_messages // _SHARE_OF_OUTBOX)]
        announced = [name for name in (_AGENT, *turn) if name in due]
        self._announced.update(dict.fromkeys(announced, now_ns))
        return announced, [each for name in turn for each in self._released(name, now_ns)]

    def _is_due(self, name: _Engine, now_ns: int) -> bool:
        announced_ns = self._announced.get(name)
        return announced_ns is None or now_ns - announced_ns >= REPEATED_NS

    def _released(self, name: _Engine, now_ns: int) -> list[Assessment]:
        """The state of an engine that was held back; none where the engine has fallen silent meanwhile."""
        told = self._told[name]
        if not told.is_held:
            return []
        # Should the worker say a newer state before this one is queued, the next window says it again.
        self._told[name] = replace(told, at_ns=now_ns - self._interval_ns, is_held=False)
        return [told.assessment] if now_ns - told.at_ns < self._silence_s * NS_PER_S else []

    def _state(self, assessment: Assessment) -> Publication:
        topic = self._topic.fill(aircraft=assessment.aircraft, engine=assessment.engine)
        return _retained(topic, state_document(assessment), self._silence_s)


def silence_s(config: AgentConfig, model: LoadedModel) -> int:
    """After so many seconds without a state an engine is silent: longer than a state may take to be said again."""
    windows_s = MISSED_WINDOWS * (model.spec.window_s + model.spec.hop_s)
    return math.ceil(max(MISSED_INTERVALS * config.agent.status_interval_s, windows_s))


def _retained(topic: str, document: Mapping[str, Any], expiry_s: int) -> Publication:
    return Publication(
        topic=topic,
        payload=json.dumps(document).encode(),
        content_type=JSON,
        expiry_s=expiry_s,
        retain=True,
        grade=Grade.TELEMETRY,
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
