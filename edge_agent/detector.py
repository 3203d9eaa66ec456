"""The detector: frames -> windows -> score -> decision. Pure: the ground runs it over files, to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.assessment import Assessment, Contribution
from edge_agent.decision import NO_EVENT, NOT_ASSESSED, Decider
from edge_agent.errors import ScorerError
from edge_agent.stream import WindowStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.frame import Frame
    from edge_agent.scaler import Scaler
    from edge_agent.scorer import Scorer
    from edge_agent.stream import Window
    from edge_agent.thresholds import Thresholds
    from shared_features.spec import FeatureSpec

TOP_CONTRIBUTIONS = 5
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
        self._flight = ""
        self._seq = 0

    def skip(self, window: Window) -> None:
        """Pass over a window that is not assessed for want of time: it keeps its number."""
        self._begin(window.flight)
        self._seq += 1

    def _begin(self, flight: str) -> None:
        if flight != self._flight:
            self._decider.reset()
            self._flight = flight
            self._seq = 0

    def assess(self, frame: Frame, window: Window) -> Assessment:
        """What is to be said of the next window, which ``frame`` completed."""
        self._begin(window.flight)
        reason = window.reason or self._model.thresholds.domain.reason_of(window.phase, window.values)
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
            contributions=contributions(self._model.scaler, window.values, scored.reconstruction),
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

    def __init__(self, model: LoadedModel) -> None:
        self._stream = WindowStream(model.spec)
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


def contributions(
    scaler: Scaler, values: NDArray[np.float32], reconstruction: NDArray[np.float32]
) -> tuple[Contribution, ...]:
    """The features whose normalised squared residuals are the largest, with their shares of the sum.

    Args:
        scaler: The bundle's scaler.
        values: (n_feature,) features.
        reconstruction: (n_feature,) what the model expected instead.
    """
    residual = scaler.transform(values) - scaler.transform(reconstruction)
    squared = residual * residual
    total = float(np.add.reduce(squared))
    if not 0.0 < total < np.inf:
        return ()
    order = np.argsort(-squared, kind="stable")[:TOP_CONTRIBUTIONS]
    return tuple(Contribution(scaler.names[index], float(squared[index] / total)) for index in order)
