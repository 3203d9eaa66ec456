"""The shadow: a second detector that looks at the same windows, says so on a topic of its own, and never alerts."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgpack

from edge_agent.account import Accounts
from edge_agent.agreement import compare
from edge_agent.clock import clock_quality
from edge_agent.detector import Assessor, Detector
from edge_agent.overload import Rung
from edge_agent.per_engine import PerEngine
from edge_agent.place import START, Place
from edge_agent.publication import Grade, Publication
from edge_agent.result import Latency, Result, Runtime, encode_result
from edge_agent.streams import name_of
from edge_agent.topics import TopicTemplate
from shared_features.makers import Makers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.account import Period
    from edge_agent.assessment import Assessment
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.health import Health
    from edge_agent.overload import Ladder

AGREEMENT_SCHEMA: Final = 1
_NS_PER_MS = 1e6


class _SameWindows:
    """Scores the windows of the active detector: both take the same features."""

    def __init__(self, model: LoadedModel, _makers: Makers) -> None:
        self._model = model
        self._assessor = Assessor(model)

    def assess(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Assessment]:
        """What the shadow says of the windows that the frame completed."""
        # Just before or after a swap, others are judged: they hold other features.
        fitting = [each for each in judgements if each.assessment.spec_digest == self._model.spec.digest]
        return [self._assess(frame, judgement) for judgement in fitting]

    def skip(self, frame: Frame, judgements: Sequence[Judgement]) -> None:
        """Pass over them; they keep their numbers."""
        for judgement in judgements:
            self._follow(judgement)
            self._assessor.skip(frame, judgement.window)

    def begin_afresh(self) -> None:
        """Forget everything, after a fault; the numbers are those of the windows."""
        self._assessor = Assessor(self._model)

    def _assess(self, frame: Frame, judgement: Judgement) -> Assessment:
        self._follow(judgement)
        return self._assessor.assess(frame, judgement.window)

    def _follow(self, judgement: Judgement) -> None:
        """Where the active detector begins afresh, so does its shadow, but for the unit; a window has one number."""
        if judgement.begins or self._assessor.place == START:
            place = Place(judgement.window.flight, judgement.assessment.seq)
            self._assessor = Assessor(self._model, self._assessor.unit, place)


class _OwnWindows:
    """Makes windows of its own out of the same frames, at the cost of a second active detector."""

    def __init__(self, model: LoadedModel, makers: Makers) -> None:
        self._model, self._makers = model, makers
        self._detector = Detector(model, makers)

    def assess(self, frame: Frame, _judgements: Sequence[Judgement]) -> list[Assessment]:
        """What the shadow says of the windows of its own that the frame completed."""
        return self._detector.push(frame)

    def skip(self, frame: Frame, judgements: Sequence[Judgement]) -> None:
        """Nothing: to the stream the frame is lost, and it will say so."""

    def begin_afresh(self) -> None:
        """Forget everything, after a fault, but the number of the next window."""
        self._detector = Detector(self._model, self._makers, place=self._detector.place)


class Shadow:
    """An observer that follows every engine with a second detector.

    Where both detectors take the same features, it scores the windows of the active one; otherwise it makes its own
    from the same frames. Either way it says what its bundle would say if it were the active one.

    Args:
        config: The agent's config.
        active: The model that decides.
        model: The model that only looks.
        health: Receives counts.
        ladder: Says when there is no time for a shadow.
    """

    def __init__(
        self, config: AgentConfig, active: LoadedModel, model: LoadedModel, health: Health, ladder: Ladder
    ) -> None:
        self._active = active
        self._model = model
        self._health = health
        self._ladder = ladder
        self._makers = Makers(model.spec)
        self._is_same = active.spec.digest == model.spec.digest
        self._engines: PerEngine[_SameWindows | _OwnWindows] = PerEngine(
            self._follower, limit=config.limits.max_streams
        )
        self._agreements: Accounts[Counter[str]] = Accounts(Counter, self._tell, limit=config.limits.max_streams)
        self.reconfigure(config)

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two frames."""
        self._expiry_s = config.broker.message_expiry_s
        self._topic = TopicTemplate(config.topics.shadow)
        self._agreement_topic = TopicTemplate(config.topics.agreement)
        self._engines.limit = config.limits.max_streams
        self._agreements.keep(config.limits.max_streams)

    def swap(self, active: LoadedModel) -> None:
        """Another bundle decides from the next frame on.

        Where that takes the shadow's features and the one before did not, or the other way round, the shadow begins
        anew for every engine: its windows come from elsewhere now.
        """
        self._active = active
        is_same = active.spec.digest == self._model.spec.digest
        if is_same != self._is_same:
            self._is_same = is_same
            self._engines = PerEngine(self._follower, limit=self._engines.limit)

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Assess what the frame completed; a frame for which there is no time is counted, and not looked at."""
        engine = self._engines.of(name_of(frame))
        self._engines.surplus()
        if self._ladder.sheds(Rung.SHADOW):
            self._health.counters.add("shed.shadow", len(judgements))
            engine.skip(frame, judgements)
            return self._compare(judgements, [])
        begun_ns = time.monotonic_ns()
        try:
            assessments = engine.assess(frame, judgements)
        except Exception:
            # It failed half-way: what it remembers cannot be trusted.
            engine.begin_afresh()
            raise
        if not assessments and not judgements:
            return []
        runtime = self._runtime(begun_ns)
        return [self._result(each, runtime) for each in assessments] + self._compare(judgements, assessments)

    def close(self) -> list[Publication]:
        """What is left to say when the agent stops."""
        return self._agreements.close()

    def _follower(self) -> _SameWindows | _OwnWindows:
        return (_SameWindows if self._is_same else _OwnWindows)(self._model, self._makers)

    def _compare(self, judgements: Sequence[Judgement], shadow: Sequence[Assessment]) -> list[Publication]:
        """Note how far the two agree; gives what is to be told of periods that have ended."""
        active = [judgement.assessment for judgement in judgements]
        told: list[Publication] = []
        deciding = active[-1] if active else self._active
        bundle = (deciding.bundle_id, deciding.bundle_digest)
        for window, kind in compare(active, shadow):
            agreements, ended = self._agreements.enter(window, bundle)
            agreements[kind] += 1
            self._health.counters.add(f"shadow.{kind}")
            told += ended
        return told

    def _runtime(self, begun_ns: int) -> Runtime:
        now_ns = time.monotonic_ns()
        return Runtime(
            agent=self._health.identity.agent,
            run=self._health.identity.run,
            monotonic_ns=now_ns,
            clock=clock_quality(),
            latency_ms=Latency(queue=0.0, decode=0.0, detect=(now_ns - begun_ns) / _NS_PER_MS),
            deadline_missed=False,
        )

    def _result(self, assessment: Assessment, runtime: Runtime) -> Publication:
        return self._publication(
            self._topic.fill(aircraft=assessment.aircraft, engine=assessment.engine),
            encode_result(Result(assessment, runtime)),
        )

    def _tell(self, period: Period, counts: Counter[str], cause: str) -> list[Publication]:
        document = {
            "schema": AGREEMENT_SCHEMA,
            **period.to_document(),
            "cause": cause,
            "agent": self._health.identity.agent,
            "run": self._health.identity.run,
            "shadow_id": self._model.bundle_id,
            "shadow_digest": self._model.bundle_digest,
            "counts": dict(sorted(counts.items())),
        }
        topic = self._agreement_topic.fill(aircraft=period.aircraft, engine=period.engine)
        return [self._publication(topic, bytes(msgpack.packb(document)))]

    def _publication(self, topic: str, payload: bytes) -> Publication:
        return Publication(topic=topic, payload=payload, expiry_s=self._expiry_s, grade=Grade.TELEMETRY)
