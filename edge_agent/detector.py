"""The detector: frames -> windows -> score -> decision. Pure: the ground runs it over files, to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.assessment import Assessment, Contribution
from edge_agent.decision import NO_EVENT, NOT_ASSESSED, Decider
from edge_agent.errors import ScorerError
from edge_agent.reasons import contributions, located_features
from edge_agent.stream import WindowStream
from edge_agent.transients import TransientWatch

if TYPE_CHECKING:
    from edge_agent.frame import Frame
    from edge_agent.scaler import Scaler
    from edge_agent.scorer import Scorer
    from edge_agent.stream import Window
    from edge_agent.thresholds import Thresholds
    from shared_features.makers import Makers
    from shared_features.spec import FeatureSpec

MODEL_FAILED = "model_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """Everything of a verified bundle that detection needs; shared by all engines of one agent."""

    bundle_id: str
    bundle_digest: str
    spec: FeatureSpec
    scaler: Scaler
    thresholds: Thresholds
    scorer: Scorer


@dataclass(frozen=True, slots=True)
class Judgement:
    """A window and what is said of it."""

    window: Window
    assessment: Assessment


class Assessor:
    """Assesses the windows of one engine: keeps its memory of scores and the count of its assessments."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._decider = Decider(model.thresholds)
        self._located = located_features(model.spec)
        self._transients = TransientWatch(model.thresholds.domain.steadiness)
        self._flight = ""
        self._seq = 0

    def skip(self, window: Window) -> None:
        """Pass over a window that is not assessed for want of time: it keeps its number."""
        self._begin(window)
        self._seq += 1

    def _begin(self, window: Window) -> str:
        """Take note of the next window; gives the reason of a transient, as ``TransientWatch`` does."""
        if window.flight != self._flight:
            self._decider.reset()
            self._flight = window.flight
            self._seq = 0
        return self._transients.reason_of(window.flight, window.start_ns, window.reason, window.values)

    def assess(self, frame: Frame, window: Window) -> Assessment:
        """What is to be said of the next window, which ``frame`` completed."""
        transient = self._begin(window)
        domain = self._model.thresholds.domain
        reason = window.reason or domain.reason_of(window.phase, window.values) or transient
        if reason:
            return self._assessment(frame, window, reason=reason)
        try:
            scored = self._model.scorer.score(window.values)
        except ScorerError:
            return self._assessment(frame, window, reason=MODEL_FAILED)
        decision = self._decider.decide(scored.score, window.phase)
        return self._assessment(
            frame,
            window,
            state=decision.state,
            event=decision.event,
            score=scored.score,
            threshold=decision.threshold,
            contributions=contributions(self._model.scaler, window.values, scored.reconstruction, self._located),
        )

    def _assessment(
        self,
        frame: Frame,
        window: Window,
        *,
        state: str = NOT_ASSESSED,
        reason: str = "",
        event: str = NO_EVENT,
        score: float = 0.0,
        threshold: float = 0.0,
        contributions: tuple[Contribution, ...] = (),
    ) -> Assessment:
        seq, self._seq = self._seq, self._seq + 1
        return Assessment(
            aircraft=frame.aircraft,
            engine=frame.engine,
            flight=window.flight,
            phase=window.phase,
            seq=seq,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            state=state,
            reason=reason,
            event=event,
            score=score,
            threshold=threshold,
            contributions=contributions,
            bundle_id=self._model.bundle_id,
            bundle_digest=self._model.bundle_digest,
            spec_digest=self._model.spec.digest,
        )


class Detector:
    """Watches one engine: makes windows of its frames and assesses them."""

    def __init__(self, model: LoadedModel, makers: Makers | None = None) -> None:
        """Begin to watch.

        Args:
            model: The bundle.
            makers: Of its spec, shared with other detectors of this thread; its own where none are given.
        """
        self._stream = WindowStream(model.spec, makers)
        self._assessor = Assessor(model)

    @property
    def late_frames(self) -> int:
        """Frames dropped because they overlap the past."""
        return self._stream.late_frames

    def push(self, frame: Frame) -> list[Assessment]:
        """Take the next frame and assess the windows it completes, oldest first."""
        return [judgement.assessment for judgement in self.judge(frame)]

    def judge(self, frame: Frame) -> list[Judgement]:
        """Like ``push``, each assessment together with its window."""
        return [Judgement(window, self._assessor.assess(frame, window)) for window in self._stream.push(frame)]
