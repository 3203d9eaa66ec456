"""The detector: frames -> windows -> score -> decision. Pure: the ground runs it over files, to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.assessment import Assessment, Contribution
from edge_agent.commissioning import Commissioning
from edge_agent.decision import NO_EVENT, NOT_ASSESSED, Decider
from edge_agent.errors import ScorerError
from edge_agent.handover import Handover
from edge_agent.manifest import NEVER
from edge_agent.place import START, Place
from edge_agent.reasons import contributions, located_features
from edge_agent.stream import WindowStream
from edge_agent.transients import TransientWatch
from edge_agent.unit_state import KNOWN, NO_SHIFT, POOLED, UnitState, new_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.commissioning_policy import CommissioningPolicy
    from edge_agent.frame import Frame
    from edge_agent.scaler import Scaler
    from edge_agent.scorer import Scorer
    from edge_agent.stream import Window
    from edge_agent.thresholds import Thresholds
    from shared_features.makers import Makers
    from shared_features.spec import FeatureSpec

MODEL_FAILED = "model_failed"

NOBODY = new_unit("", "")
"""Where an engine starts from that was never heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """Everything of a verified bundle that detection needs; shared by all engines of one agent."""

    bundle_id: str
    bundle_digest: str
    spec: FeatureSpec
    scaler: Scaler
    thresholds: Thresholds
    scorer: Scorer
    commissioning: CommissioningPolicy | None = None
    part_number: str = ""
    expires: str = NEVER


@dataclass(frozen=True, slots=True)
class Judgement:
    """A window, what is said of it, and what is known of the unit since.

    Attributes:
        window: The window.
        assessment: What is said of it.
        unit: What is known of the unit since.
        begins: Whether the detector remembers nothing before it: it is new, be it after a fault.
    """

    window: Window
    assessment: Assessment
    unit: UnitState = NOBODY
    begins: bool = False


class Assessor:
    """Assesses the windows of one engine: keeps what is learned of the unit, the last scores and the count.

    Args:
        model: The bundle.
        unit: What an earlier run had learned of the engine; it counts only if it is of this engine and bundle.
        place: Where the count stands, if the engine was followed before in this run.
    """

    def __init__(self, model: LoadedModel, unit: UnitState = NOBODY, place: Place = START) -> None:
        self._model = model
        self._commissioning = Commissioning(model.commissioning, model.scaler, model.bundle_digest, unit)
        self._basis = _Basis()
        self._decider = Decider(model.thresholds)
        self._located = located_features(model.spec)
        self._transients = TransientWatch(model.thresholds.domain.steadiness)
        self._flight = ""
        self._place = place

    @property
    def place(self) -> Place:
        """Where the count of its results stands."""
        return self._place

    @property
    def unit(self) -> UnitState:
        """What is known of the engine by now."""
        return self._commissioning.state

    def reset_unit(self) -> None:
        """Commission the engine anew, from its next flight on."""
        self._commissioning.reset()

    def follow(self, before: Assessor) -> None:
        """Go on where an assessor of another bundle stops: in its flight and with its count.

        What it remembers of scores is worth nothing here: persistence begins anew, and a standing alarm is dropped
        without ``cleared``.
        """
        if before._flight:
            self._begin_flight(before.unit.engine, before._flight)
        self._place = before.place

    def skip(self, frame: Frame, window: Window) -> None:
        """Pass over a window that is not assessed for want of time: it keeps its number."""
        self._begin(frame, window)
        self._count()

    def assess(self, frame: Frame, window: Window) -> Assessment:
        """What is to be said of the next window, which ``frame`` completed."""
        assessment = self._answer(frame, window, self._begin(frame, window))
        if assessment.state != NOT_ASSESSED:
            self._commissioning.learn(window.values, assessment.state)
        return assessment

    def _begin(self, frame: Frame, window: Window) -> str:
        """Take note of the next window; gives the reason of a transient, as ``TransientWatch`` does."""
        if window.flight != self._flight:
            self._begin_flight(f"{frame.aircraft}/{frame.engine}", window.flight)
        return self._transients.reason_of(window.flight, window.start_ns, window.reason, window.values)

    def _begin_flight(self, engine: str, flight: str) -> None:
        """Another flight: what is known of the unit may change now, and at no other time."""
        self._commissioning.begin(engine, flight)
        unit, policy = self._commissioning.state, self._model.commissioning
        self._basis = _Basis(unit.stage, np.array(unit.shift), unit.shift_digest)
        thresholds = self._model.thresholds
        self._decider = Decider(policy.thresholds(thresholds) if policy and unit.stage == KNOWN else thresholds)
        self._flight = flight

    def _answer(self, frame: Frame, window: Window, transient: str) -> Assessment:
        domain = self._model.thresholds.domain
        reason = window.reason or domain.reason_of(window.phase, window.values) or transient
        if reason:
            return self._assessment(frame, window, reason=reason)
        values = self._basis.of(self._model.scaler, window.values)
        try:
            scored = self._model.scorer.score(values)
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
            contributions=contributions(self._model.scaler, values, scored.reconstruction, self._located),
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
        return Assessment(
            aircraft=frame.aircraft,
            engine=frame.engine,
            flight=window.flight,
            phase=window.phase,
            seq=self._count(),
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
            unit=self._basis.stage,
            unit_shift=self._basis.shift_digest,
        )

    def _count(self) -> int:
        seq = self._place.seq_in(self._flight)
        self._place = Place(self._flight, seq + 1)
        return seq


@dataclass(frozen=True, slots=True)
class _Basis:
    """What the windows of a flight are held against."""

    stage: str = POOLED
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    shift_digest: str = NO_SHIFT

    def of(self, scaler: Scaler, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features with the unit's shift taken away."""
        return scaler.without(values, self.shift) if len(self.shift) else values


class Detector:
    """Watches one engine: makes windows of its frames and assesses them.

    Args:
        model: The bundle.
        makers: Of its spec, shared with other detectors of this thread; its own where none are given.
        unit: What an earlier run had learned of the engine; it counts only if it is of this engine and bundle.
        place: Where the count of its results stands, if it was followed before in this run.
    """

    def __init__(
        self, model: LoadedModel, makers: Makers | None = None, unit: UnitState = NOBODY, place: Place = START
    ) -> None:
        self._stream = WindowStream(model.spec, makers)
        self._assessor = Assessor(model, unit, place)
        self._spec_digest = model.spec.digest
        self._bundle_digest = model.bundle_digest
        self._handovers: tuple[Handover, ...] = ()
        self._late_before = 0
        self._begins = True

    @property
    def late_frames(self) -> int:
        """Frames dropped because they overlap the past."""
        return self._late_before + self._stream.late_frames

    @property
    def place(self) -> Place:
        """Where the count of its results stands."""
        return self._assessor.place

    @property
    def bundle_digest(self) -> str:
        """The bundle that it goes over to; where ``is_settled``, the one that decides."""
        return self._bundle_digest

    @property
    def is_settled(self) -> bool:
        """Whether no handover is under way."""
        return not self._handovers

    def push(self, frame: Frame) -> list[Assessment]:
        """Take the next frame and assess the windows it completes, oldest first."""
        return [judgement.assessment for judgement in self.judge(frame)]

    def judge(self, frame: Frame) -> list[Judgement]:
        """Like ``push``, each assessment together with its window."""
        for handover in self._handovers:
            if handover.begins_with(frame):
                self._take_over(handover)
        late_before, before_ns = self._stream.late_frames, self._stream.uncovered_ns
        windows = self._stream.push(frame)
        if self._stream.late_frames == late_before:
            for handover in self._handovers:
                return self._hand_over(handover, frame, windows, before_ns)
        return [self._judge(frame, window) for window in windows]

    def swap(self, model: LoadedModel, makers: Makers, unit: UnitState = NOBODY) -> None:
        """Go over to another bundle, between two frames.

        Of the same feature spec, it decides from the next window on; of another one, see ``Handover``.

        Args:
            model: The bundle.
            makers: Of its spec.
            unit: As for a new detector.
        """
        assessor = Assessor(model, unit)
        self._bundle_digest = model.bundle_digest
        if model.spec.digest == self._spec_digest:
            assessor.follow(self._assessor)
            self._assessor, self._handovers = assessor, ()
        else:
            self._handovers = (Handover(model.spec, makers, assessor, self._stream.flight),)

    def settle(self) -> None:
        """End a handover whose engine has fallen silent; to be called once a second or less often."""
        for handover in self._handovers:
            if handover.is_unheard():
                self._take_over(handover)

    def reset_unit(self) -> None:
        """Commission the engine anew, from its next flight on."""
        for assessor in (self._assessor, *(each.assessor for each in self._handovers)):
            assessor.reset_unit()

    def _hand_over(self, handover: Handover, frame: Frame, old: list[Window], before_ns: int) -> list[Judgement]:
        new = handover.warm(frame, before_ns, self._stream.uncovered_ns)
        # What the new one says of the same time is said once.
        kept = [window for window in old if not new or window.end_ns < new[0].end_ns]
        judgements = [self._judge(frame, window) for window in kept]
        if new:
            self._take_over(handover)
        return judgements + [self._judge(frame, window) for window in new]

    def _take_over(self, handover: Handover) -> None:
        handover.assessor.follow(self._assessor)
        self._late_before += self._stream.late_frames
        self._stream, self._assessor, self._handovers = handover.stream, handover.assessor, ()
        self._spec_digest = handover.spec_digest

    def _judge(self, frame: Frame, window: Window) -> Judgement:
        assessment = self._assessor.assess(frame, window)
        begins, self._begins = self._begins, False
        return Judgement(window, assessment, self._assessor.unit, begins)
