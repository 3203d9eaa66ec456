"""The waveform ring of one engine: its last frames, and where in them its windows began. Pure, in memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_agent.decision import NOT_ASSESSED
from edge_agent.frame import Frame
from edge_agent.stream import GAP

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.detector import Judgement

FRAME_OVERHEAD_BYTES = 1024
"""What a frame takes beside its samples and pulses: objects, identities, names."""
_MOST_WINDOWS = 4_096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Frames around an alert, from the beginning of a window on.

    Attributes:
        alert: The assessment that raised the alarm.
        frames: The frames, oldest first; the first one without the samples before the window.
        first_seq: ``seq`` of the assessment that a replay of the frames gives first.
        reproduces: Whether a replay gives the alert to the same bytes: the frames hold the detector's memory of scores.
    """

    alert: Assessment
    frames: tuple[Frame, ...]
    first_seq: int
    reproduces: bool

    @property
    def n_byte(self) -> int:
        """What its frames take in memory."""
        return sum(map(bytes_of, self.frames))


@dataclass(frozen=True, slots=True)
class _Mark:
    """A window: what is said of it, where it begins, and how much of the engine was heard until its end."""

    assessment: Assessment
    first_seq: int
    offset_n: int
    heard_s: float


class WaveformRing:
    """The last frames of one flight of one engine.

    Args:
        keep_s: Seconds of samples that are kept; beyond, the oldest frames go. Counted by samples: clocks jump.
        memory_n: Assessed windows that the decision remembers.
        window_s: Length of a window.
    """

    def __init__(self, *, keep_s: float, memory_n: int, window_s: float) -> None:
        self._keep_s = keep_s
        self._memory_n = memory_n
        self._window_s = window_s
        self._frames: deque[tuple[float, Frame]] = deque()
        self._marks: deque[_Mark] = deque(maxlen=_MOST_WINDOWS)
        self.heard_s = 0.0
        self.n_byte = 0

    def resize(self, *, keep_s: float, memory_n: int, window_s: float) -> None:
        """Go on for a bundle of other windows, or of a longer memory."""
        self._keep_s, self._memory_n, self._window_s = keep_s, memory_n, window_s

    @property
    def n_windows(self) -> int:
        """Windows whose place is known."""
        return len(self._marks)

    def add(self, frame: Frame, judgements: Sequence[Judgement]) -> None:
        """Take the next frame of the flight and what was judged of the windows it completed."""
        self.heard_s += len(frame.samples) / frame.rate_hz
        self._frames.append((self.heard_s, frame))
        self.n_byte += bytes_of(frame)
        for each in judgements:
            mark = _Mark(each.assessment, each.window.first_seq, each.window.offset_n, self.heard_s)
            self._marks.append(mark)
        while self._frames[0][0] < self.heard_s - self._keep_s:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Let the oldest frame go, and the windows that ended before the next: no snapshot can begin there."""
        if self._frames:
            self.n_byte -= bytes_of(self._frames.popleft()[1])
            oldest_s = self._frames[0][0] if self._frames else math.inf
            while self._marks and self._marks[0].heard_s < oldest_s:
                self._marks.popleft()

    def clear(self) -> None:
        """Forget everything: another flight begins."""
        self._frames.clear()
        self._marks.clear()
        self.n_byte = 0

    def snapshot(self, alert: Assessment, *, before_s: float) -> tuple[Snapshot, ...]:
        """The frames from ``before_s`` before the alert on; none where the alert's own window is no longer held."""
        marks = self._marks_until(alert)
        for index, mark in enumerate(marks):
            earliest_s = marks[-1].heard_s - before_s
            if mark.heard_s - self._window_s < earliest_s or mark.assessment.reason == GAP:
                continue
            frames = self._from(mark)
            if frames:
                return (Snapshot(alert, frames, mark.assessment.seq, self._remembers(marks[index:])),)
        return ()

    def _marks_until(self, alert: Assessment) -> list[_Mark]:
        """The windows up to the alert's that one detector assessed, oldest first; none where the alert's is gone."""
        marks: list[_Mark] = []
        for mark in reversed(self._marks):
            wanted = marks[-1].assessment.seq - 1 if marks else alert.seq
            # A detector that failed, or was evicted, counts from 0 again: what it knew before is lost to a replay. So
            # is what a bundle has seen that came before.
            is_of_one = mark.assessment.bundle_digest == alert.bundle_digest
            if mark.assessment.seq == wanted and is_of_one and (marks or mark.assessment is alert):
                marks.append(mark)
            elif marks:
                break
        return marks[::-1]

    def _from(self, mark: _Mark) -> tuple[Frame, ...]:
        """The frames from the beginning of a window on; none where that is gone."""
        frames = [frame for _, frame in self._frames]
        found = [
            index
            for index, (heard_s, frame) in enumerate(self._frames)
            if frame.seq == mark.first_seq and heard_s <= mark.heard_s
        ]
        if not found:
            return ()
        # A source that restarted has counted so before: the newest. Of redelivered ones the stream took the first.
        index = next(index for index in found if frames[index].t_ns == frames[found[-1]].t_ns)
        return (_cut(frames[index], mark.offset_n, mark.assessment.start_ns), *frames[index + 1 :])

    def _remembers(self, marks: Sequence[_Mark]) -> bool:
        # The first window counts only at the flight's beginning: elsewhere its first record knows less of how the
        # shafts turned before it than the stream did.
        whole = marks if marks[0].assessment.seq == 0 else marks[1:]
        assessed_n = sum(mark.assessment.state != NOT_ASSESSED for mark in whole)
        return marks[0].assessment.seq == 0 or assessed_n >= self._memory_n


def bytes_of(frame: Frame) -> int:
    """What a frame takes in memory, bytes."""
    tach_bytes = sum(int(each.nbytes) for each in frame.tach.values()) if frame.tach else 0
    return int(frame.samples.nbytes) + tach_bytes + FRAME_OVERHEAD_BYTES


def _cut(frame: Frame, offset_n: int, start_ns: int) -> Frame:
    """The frame without its first samples; its time is the window's, lest the jitter of its stamp move the windows."""
    tach = {shaft: pulses[pulses >= offset_n] - offset_n for shaft, pulses in frame.tach.items()}
    return replace(frame, t_ns=start_ns, samples=frame.samples[offset_n:], tach=tach)
