"""The pipeline: from an arrival to the publications it causes. Plain calls, no thread, no socket."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from edge_agent.clock import clock_quality
from edge_agent.decision import NO_EVENT
from edge_agent.errors import WireError
from edge_agent.publication import Grade, Publication
from edge_agent.result import Latency, Result, Runtime, encode_result
from edge_agent.streams import UNKNOWN_ENGINE, Streams, name_of
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import AIRCRAFT, ENGINE
from edge_agent.waveform_ring import bytes_of
from edge_agent.wire import decode_frame

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.health import Health
    from edge_agent.inbox import Arrival
    from edge_agent.observer import Observer
    from edge_agent.unit_store import Units
    from shared_features.makers import Makers

RETAINED = "retained"
TOPIC_MISMATCH = "topic_mismatch"
OBSERVER_FAILED = "observer_failed"

_NS_PER_MS = 1e6
_REFUSALS_LOGGED = 1_000
"""Different refusals that are logged; further ones are only counted, lest a bad sender fill memory and disk."""
_EVICTIONS_LOGGED = 1_000
"""Evictions that are logged; further ones are only counted, for the same reason."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Times:
    """Monotonic times of one arrival's way."""

    received_ns: int
    taken_ns: int
    decoded_ns: int
    decided_ns: int

    @property
    def latency(self) -> Latency:
        return Latency(
            queue=(self.taken_ns - self.received_ns) / _NS_PER_MS,
            decode=(self.decoded_ns - self.taken_ns) / _NS_PER_MS,
            detect=(self.decided_ns - self.decoded_ns) / _NS_PER_MS,
        )


class Pipeline:
    """Handles arrivals one after the other.

    Args:
        config: The agent's config.
        model: The loaded bundle.
        health: Receives counts and latencies.
        observers: Called by ``follow_next``, in this order.
        units: What is known of the engines from earlier runs.
        now_ns: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        model: LoadedModel,
        health: Health,
        *,
        observers: Sequence[Observer] = (),
        units: Units | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._health = health
        self._observers = observers
        self._now_ns = now_ns
        self._unfollowed: deque[tuple[Frame, list[Judgement]]] = deque()
        self._bytes_behind = 0
        self._streams = Streams(
            model,
            engines=config.agent.engines,
            limit=config.limits.max_streams,
            on_evict=self._on_evict,
            units=units,
        )
        self._take(config)
        self._logged: set[tuple[str, str]] = set()
        self._evictions_logged = 0

    @property
    def streams(self) -> Streams:
        """The engines that are followed."""
        return self._streams

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two arrivals; engines that stay keep their past."""
        self._streams.follow(engines=config.agent.engines, limit=config.limits.max_streams)
        self._take(config)

    def swap(self, model: LoadedModel, makers: Makers) -> None:
        """Go on by another bundle, between two arrivals; see ``Streams.swap``."""
        self._streams.swap(model, makers)

    def _take(self, config: AgentConfig) -> None:
        self._config = config
        self._inputs = config.topics.inputs
        self._result_topic = TopicTemplate(config.topics.result)
        self._alert_topic = TopicTemplate(config.topics.alert)

    def handle(self, arrival: Arrival) -> list[Publication]:
        """What is to be published because of ``arrival``; a payload that is refused is counted and causes nothing."""
        taken_ns = self._now_ns()
        self._health.counters.add("frames_received")
        try:
            frame = self._read(arrival)
        except WireError as error:
            self._refuse(error, arrival.topic)
            return []
        try:
            detector = self._streams.detector_of(frame)
        except WireError as error:
            self._refuse(error, name_of(frame))
            return []
        decoded_ns = self._now_ns()
        try:
            judgements = detector.judge(frame)
        except Exception:
            self._streams.forget(frame)
            raise
        times = _Times(arrival.received_ns, taken_ns, decoded_ns, self._now_ns())
        self._unfollowed.append((frame, judgements))
        self._bytes_behind += bytes_of(frame)
        return self._publications([each.assessment for each in judgements], times) if judgements else []

    @property
    def behind(self) -> int:
        """Frames that were handled and that the observers have not seen yet."""
        return len(self._unfollowed)

    @property
    def bytes_behind(self) -> int:
        """What these frames take in memory."""
        return self._bytes_behind

    def follow_next(self) -> list[Publication]:
        """What the observers say of the next frame that they have not seen; one that fails is counted."""
        if not self._unfollowed:
            return []
        frame, judgements = self._unfollowed.popleft()
        self._bytes_behind -= bytes_of(frame)
        return self._observe(frame, judgements)

    def follow_up(self) -> list[Publication]:
        """What the observers say of all frames that they have not seen."""
        return [each for _ in range(self.behind) for each in self.follow_next()]

    def _observe(self, frame: Frame, judgements: list[Judgement]) -> list[Publication]:
        publications: list[Publication] = []
        for observer in self._observers:
            try:
                publications += observer.observe(frame, judgements)
            except Exception:  # noqa: BLE001 - what only watches must not cost a result
                name = type(observer).__name__
                self._health.counters.add(f"observer_errors.{name}")
                self._tell_once(name, frame)
        return publications

    def _tell_once(self, observer: str, frame: Frame) -> None:
        # An observer that fails does so at every frame: ten lines a second would fill the disk.
        if (OBSERVER_FAILED, observer) not in self._logged:
            self._logged.add((OBSERVER_FAILED, observer))
            _log.error("observer failed", observer=observer, engine=name_of(frame), exc_info=True)

    def _read(self, arrival: Arrival) -> Frame:
        if arrival.retained:
            raise WireError(
                RETAINED, f"{arrival.topic}: expected live frames, got a retained one; publish without retain"
            )
        frame = decode_frame(arrival.payload, max_bytes=self._config.limits.max_payload_bytes)
        for template in self._inputs:
            _check_identities(template.identities(arrival.topic), frame, arrival.topic)
        return frame

    def _refuse(self, error: WireError, subject: str) -> None:
        self._health.counters.add(f"frames_refused.{error.reason}")
        key = (error.reason, subject)
        if key not in self._logged and len(self._logged) < _REFUSALS_LOGGED:
            self._logged.add(key)
            kind = "engine" if error.reason == UNKNOWN_ENGINE else "topic"
            _log.warning("frame refused", reason=error.reason, error=str(error), **{kind: subject})

    def _on_evict(self, engine: str) -> None:
        self._health.counters.add("streams_evicted")
        if self._evictions_logged < _EVICTIONS_LOGGED:
            self._evictions_logged += 1
            _log.info("engine evicted", engine=engine, max_streams=self._config.limits.max_streams)

    def _publications(self, assessments: Sequence[Assessment], times: _Times) -> list[Publication]:
        latency = times.latency
        missed = latency.total > self._config.agent.deadline_ms
        runtime = Runtime(
            agent=self._health.identity.agent,
            run=self._health.identity.run,
            monotonic_ns=times.decided_ns,
            clock=clock_quality(),
            latency_ms=latency,
            deadline_missed=missed,
        )
        publications: list[Publication] = []
        for assessment in assessments:
            self._count(assessment, latency.total, missed=missed)
            publications += self._messages(assessment, encode_result(Result(assessment, runtime)))
        return publications

    def _messages(self, assessment: Assessment, payload: bytes) -> list[Publication]:
        templates = [self._result_topic]
        if assessment.event != NO_EVENT:
            templates.append(self._alert_topic)
            _log_alert(assessment)
        return [
            Publication(
                topic=template.fill(aircraft=assessment.aircraft, engine=assessment.engine),
                payload=payload,
                expiry_s=self._config.broker.message_expiry_s,
                grade=Grade.ALERT if template is self._alert_topic else Grade.RESULT,
            )
            for template in templates
        ]

    def _count(self, assessment: Assessment, latency_ms: float, *, missed: bool) -> None:
        counters = self._health.counters
        counters.add(f"windows.{assessment.state}")
        if assessment.reason:
            counters.add(f"windows_not_assessed.{assessment.reason}")
        if assessment.event != NO_EVENT:
            counters.add(f"alerts.{assessment.event}")
        if missed:
            counters.add("deadline_missed")
        self._health.latency.observe(latency_ms)


def _log_alert(assessment: Assessment) -> None:
    _log.warning(
        f"alert {assessment.event}",
        aircraft=assessment.aircraft,
        engine=assessment.engine,
        flight=assessment.flight,
        phase=assessment.phase,
        score=assessment.score,
        threshold=assessment.threshold,
        features=[part.feature for part in assessment.contributions],
    )


def _check_identities(claimed: dict[str, str], frame: Frame, topic: str) -> None:
    """Hold what the topic says against the frame: a broker's access rules are by topic."""
    for name, own in ((AIRCRAFT, frame.aircraft), (ENGINE, frame.engine)):
        if claimed.get(name, own) != own:
            raise WireError(
                TOPIC_MISMATCH, f"{topic}: expected {name} {claimed[name]!r} as in the topic, got {own!r}; correct one"
            )
