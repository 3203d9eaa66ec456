"""The log of one flight of one engine: what its summary is made of, in bounded memory whatever the flight does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_agent.decision import NO_EVENT, NOT_ASSESSED, RAISED
from edge_agent.evidence import evidence_id
from edge_agent.stream import STEP_TOLERANCE_NS

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.frame import Frame

OTHERS: Final = "(others)"
"""Stands for what is beyond a limit."""

_MOST_PHASES = 32
_MOST_ALERTS = 16
_MOST_FEATURES = 1_024
_CLASSES_A_DECADE = 50
"""Classes of the ratio of score to threshold: neighbours differ by 4.7 %."""
_DECADES = 4


@dataclass(frozen=True, slots=True)
class AlertNote:
    """One alert: ``raised`` or ``cleared``, the source time just after its window, and its evidence's id."""

    event: str
    end_ns: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Highest:
    """The window whose score was highest over its threshold."""

    ratio: float
    score: float
    threshold: float
    end_ns: int
    phase: str


NOTHING_ASSESSED = Highest(0.0, 0.0, 0.0, 0, "")


@dataclass(slots=True)
class FlightLog:
    """What happened in one flight.

    Attributes:
        run: The run of the agent; part of evidence ids.
        first: The first frame's time and sequence number.
        last: Time just after the last frame, and its sequence number.
        n_frame: Frames heard.
        lost_frames: Frames missing by their sequence numbers.
        gaps: Jumps of the source clock, forth or back, by more than jitter.
        longest_gap_ns: The longest one forth.
        phases: By phase, windows by state; those not assessed by reason.
        highest: The highest score over its threshold.
        raised: Alarms that began.
        cleared: Alarms that ended.
        alerts: The first of both, and the last.
        features: Sums of contributions, weighted by score over threshold.
        speeds_hz: Lowest and highest reported speed by shaft.
        bundle: Id and digest of the bundle that assessed last.
    """

    run: str
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, -1)
    n_frame: int = 0
    lost_frames: int = 0
    gaps: int = 0
    longest_gap_ns: int = 0
    phases: dict[str, Counter[str]] = field(default_factory=dict)
    highest: Highest = NOTHING_ASSESSED
    raised: int = 0
    cleared: int = 0
    alerts: list[AlertNote] = field(default_factory=list)
    features: dict[str, float] = field(default_factory=dict)
    speeds_hz: dict[str, tuple[float, float]] = field(default_factory=dict)
    bundle: tuple[str, str] = ("", "")
    _ratios: Counter[int] = field(default_factory=Counter)

    @property
    def windows(self) -> int:
        """Windows that were answered."""
        return sum(sum(counts.values()) for counts in self.phases.values())

    @property
    def assessed(self) -> int:
        """Windows that were assessed."""
        return sum(self._ratios.values())

    def note(self, frame: Frame, assessments: Iterable[Assessment]) -> None:
        """Take the next frame and what was said of the windows it completed."""
        self._note_frame(frame)
        for shaft, speed_hz in frame.speed_hz.items():
            low, high = self.speeds_hz.get(shaft, (speed_hz, speed_hz))
            self.speeds_hz[shaft] = (min(low, speed_hz), max(high, speed_hz))
        for assessment in assessments:
            self._note_assessment(assessment)

    def ratio_quantile(self, share: float) -> float:
        """The ratio of score to threshold that ``share`` of the assessed windows do not exceed, to 2.4 %."""
        wanted, seen = share * self.assessed, 0
        for index in sorted(self._ratios):
            seen += self._ratios[index]
            if seen >= wanted:
                return float(10.0 ** (index / _CLASSES_A_DECADE))
        return 0.0

    def _note_frame(self, frame: Frame) -> None:
        self.n_frame += 1
        end_ns, seq = self.last
        if self.n_frame == 1:
            self.first = (frame.t_ns, frame.seq)
        elif frame.seq <= seq and frame.t_ns < end_ns:
            return
        else:
            jump_ns = frame.t_ns - end_ns
            self.lost_frames += max(frame.seq - seq - 1, 0)
            self.gaps += abs(jump_ns) > STEP_TOLERANCE_NS
            self.longest_gap_ns = max(self.longest_gap_ns, jump_ns if jump_ns > STEP_TOLERANCE_NS else 0)
        self.last = (frame.end_ns, frame.seq)

    def _note_assessment(self, assessment: Assessment) -> None:
        phase = assessment.phase if assessment.phase in self.phases or len(self.phases) < _MOST_PHASES else OTHERS
        counts = self.phases.setdefault(phase, Counter())
        self.bundle = (assessment.bundle_id, assessment.bundle_digest)
        if assessment.state == NOT_ASSESSED:
            counts[assessment.reason] += 1
            return
        counts[assessment.state] += 1
        ratio = assessment.score / assessment.threshold
        self._ratios[_class_of(ratio)] += 1
        if ratio > self.highest.ratio or self.highest is NOTHING_ASSESSED:
            self.highest = Highest(ratio, assessment.score, assessment.threshold, assessment.end_ns, assessment.phase)
        self._note_features(assessment, ratio)
        if assessment.event != NO_EVENT:
            self._note_alert(assessment)

    def _note_features(self, assessment: Assessment, ratio: float) -> None:
        for part in assessment.contributions:
            if part.feature in self.features or len(self.features) < _MOST_FEATURES:
                weight = part.share * max(ratio, 0.0)
                self.features[part.feature] = self.features.get(part.feature, 0.0) + weight

    def _note_alert(self, assessment: Assessment) -> None:
        raised = assessment.event == RAISED
        self.raised += raised
        self.cleared += not raised
        # An alarm that ends has the evidence of its beginning, which is named there.
        name = evidence_id(self.run, assessment) if raised else ""
        note = AlertNote(assessment.event, assessment.end_ns, name)
        if len(self.alerts) < _MOST_ALERTS:
            self.alerts.append(note)
        else:
            self.alerts[-1] = note


def _class_of(ratio: float) -> int:
    limit = _DECADES * _CLASSES_A_DECADE
    if not ratio > 10.0**-_DECADES:
        return -limit
    return round(min(math.log10(ratio) * _CLASSES_A_DECADE, limit))
