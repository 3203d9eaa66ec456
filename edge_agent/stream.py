"""From frames to windows: gaps, order, phases. Pure: what comes out depends on the frames alone."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.frame import Frame, samples_ns
from shared_features.extract import StreamingExtractor, WindowFeatures
from shared_features.groups import TACH, fits_unit, joined_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_features.makers import Makers
    from shared_features.spec import FeatureSpec

GAP = "gap"
PHASE_CHANGE = "phase_change"
CHANNEL_MISMATCH = "channel_mismatch"
RATE_MISMATCH = "rate_mismatch"
UNIT_MISMATCH = "unit_mismatch"

STEP_TOLERANCE_NS = 100_000_000
"""Network and scheduler jitter on source stamps stays far below this; a lost frame of a common length does not."""
STEP_TOLERANCE_SAMPLES = 1.5
"""Of slow values: loggers of one sample a second jitter by some of it, and skip one now and then."""
LATE_FRAMES_UNTIL_RESTART = 3
"""So many frames from before the flight in a row: the source has restarted with an older clock."""
STRANGE_FRAMES_UNTIL_RESTART = 20
"""So many in a row from within the flight that were never heard: likewise; fewer may be stragglers."""
_STAMPS_N = 4_096
"""Frames whose stamps are remembered: a broker delivers fewer than these again."""


def tach_shafts(spec: FeatureSpec) -> tuple[str, ...]:
    """Names of the shafts that ``spec`` follows by tachometer pulses, in its order."""
    return tuple(shaft.name for shaft in spec.shafts if shaft.source == TACH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The features of one analysis span of one engine.

    Attributes:
        flight: Identity of the flight.
        phase: Flight phase of the span, that of its last sample where it holds several.
        start_ns: Source time of the first sample.
        end_ns: Source time just after the last sample.
        values: (n_feature,) float32 in physical units.
        reason: Why the span cannot be assessed; empty when it can.
        first_seq: Sequence number of the frame that holds its first sample; 0 where the window holds no samples.
        offset_n: Samples of that frame before the first sample.
    """

    flight: str
    phase: str
    start_ns: int
    end_ns: int
    values: NDArray[np.float32]
    reason: str
    first_seq: int = 0
    offset_n: int = 0


class WindowStream:
    """Windows of one engine out of its frames, by one spec.

    Frames that overlap the past are dropped and counted in ``late_frames``. A gap (a sequence number or a stretch of
    time is missing) starts afresh, and what no window had covered is reported as a window with the reason ``gap``. So
    does another unit: where the spec says none, any fits, but no window holds two.
    Another flight starts afresh too, without a report, so that a flight's windows depend on that flight alone.
    """

    def __init__(self, spec: FeatureSpec, makers: Makers | None = None) -> None:
        self._spec = spec
        self._extractor = StreamingExtractor(spec, makers)
        self._names = tuple(channel.name for channel in spec.channels)
        self._units = tuple(channel.unit for channel in spec.channels)
        self._unit = joined_units(self._units)
        self._reported = tuple(name.removesuffix("_hz") for name in spec.speeds)
        self._tachs = tach_shafts(spec)
        self._step_ns = max(STEP_TOLERANCE_NS, int(STEP_TOLERANCE_SAMPLES * samples_ns(1, spec.sampling_rate_hz)))
        self._previous: tuple[str, int, int] = ("", -1, 0)
        self._previous_units: tuple[str, ...] = ()
        self._started = False
        self._anchor_ns = 0
        self._flight_ns = 0
        self._seen_n = 0
        self._phases: deque[tuple[int, str]] = deque()
        self._frames: deque[tuple[int, int]] = deque()
        self._late_run = 0
        self._strange_run = 0
        self._stamps = array("q", [-1]) * _STAMPS_N
        self.late_frames = 0

    @property
    def flight(self) -> str:
        """The flight of the last frame; empty before the first one."""
        return self._previous[0]

    @property
    def uncovered_ns(self) -> int:
        """Source time of the first sample that no window has covered; where there is none, of the next one."""
        return self._time_ns(self._seen_n - self._extractor.uncovered_n)

    def push(self, frame: Frame) -> list[Window]:
        """Take the next frame and give the windows it completes, oldest first."""
        units = self._units_of(frame)
        reason = self._mismatch(frame, units)
        if reason:
            lost = self._break(frame)
            return [*lost, self._unheard(frame, reason)]
        if self._is_late(frame):
            self.late_frames += 1
            return []
        windows = [] if self._continues(frame) and units == self._previous_units else self._break(frame)
        self._note(frame)
        self._previous_units = units
        found = self._extractor.push(self._columns(frame), self._speeds(frame), self._pulses(frame))
        self._seen_n += len(frame.samples)
        windows.extend(self._window(frame, features) for features in found)
        return windows

    def _mismatch(self, frame: Frame, units: tuple[str, ...]) -> str:
        if frame.channels != self._names and not set(self._names) <= set(frame.channels):
            return CHANNEL_MISMATCH
        if frame.rate_hz != self._spec.sampling_rate_hz:
            return RATE_MISMATCH
        fits = len(units) == len(self._units) and all(map(fits_unit, self._units, units))
        return "" if fits else UNIT_MISMATCH

    def _units_of(self, frame: Frame) -> tuple[str, ...]:
        """The unit that a frame states for each channel of the spec; empty where it does not for each."""
        if frame.unit == self._unit and frame.channels == self._names:
            return self._units
        units = frame.units
        if len(units) != len(frame.channels):
            return ()
        stated = dict(zip(frame.channels, units, strict=True))
        return tuple(stated.get(name, "") for name in self._names)

    def _is_late(self, frame: Frame) -> bool:
        flight, seq, end_ns = self._previous
        seen = self._started and frame.flight == flight and frame.seq <= seq
        late = seen and (frame.seq == seq or frame.t_ns < end_ns - self._step_ns)
        # Within the flight as seen so far it is a redelivery, however long; only a clock from before it restarts, or
        # one that goes on telling what was never heard.
        heard = self._stamps[frame.seq % _STAMPS_N] == frame.t_ns
        self._late_run = self._late_run + 1 if late and frame.t_ns < self._flight_ns else 0
        self._strange_run = self._strange_run + 1 if late and not heard else 0
        restarted = self._late_run >= LATE_FRAMES_UNTIL_RESTART or self._strange_run >= STRANGE_FRAMES_UNTIL_RESTART
        return late and not restarted

    def _continues(self, frame: Frame) -> bool:
        flight, seq, end_ns = self._previous
        in_order = self._started and frame.flight == flight and frame.seq == seq + 1
        return in_order and abs(frame.t_ns - end_ns) <= self._step_ns

    def _break(self, frame: Frame) -> list[Window]:
        """Forget the past; report what of it no window covered."""
        lost_n = self._extractor.uncovered_n
        lost = []
        if lost_n and frame.flight == self._previous[0]:
            start_n = self._seen_n - lost_n
            lost = [self._empty(self._previous[0], self._phase_at(self._seen_n), start_n, self._seen_n)]
        self._extractor.reset()
        self._phases.clear()
        self._frames.clear()
        self._seen_n = 0
        self._started = False
        self._anchor_ns = frame.t_ns
        return lost

    def _note(self, frame: Frame) -> None:
        drift_ns = frame.t_ns - (self._anchor_ns + samples_ns(self._seen_n, frame.rate_hz))
        if abs(drift_ns) > self._step_ns:
            # The sensor's clock runs off the stamps: follow the stamps, lest windows be dated hours away in a long run.
            self._anchor_ns += drift_ns
        if not self._phases or self._phases[-1][1] != frame.phase:
            self._phases.append((self._seen_n, frame.phase))
        self._frames.append((self._seen_n, frame.seq))
        if not self._started and (frame.flight != self._previous[0] or frame.t_ns < self._flight_ns):
            self._flight_ns = frame.t_ns
        self._previous = (frame.flight, frame.seq, frame.end_ns)
        self._stamps[frame.seq % _STAMPS_N] = frame.t_ns
        self._started = True

    def _columns(self, frame: Frame) -> NDArray[np.float32]:
        if frame.channels == self._names:
            return frame.samples
        return frame.samples[:, [frame.channels.index(name) for name in self._names]]

    def _speeds(self, frame: Frame) -> NDArray[np.float64]:
        return np.array([frame.speed_hz.get(shaft, np.nan) for shaft in self._reported], dtype=np.float64)

    def _pulses(self, frame: Frame) -> dict[str, NDArray[np.float64]]:
        return {shaft: frame.tach[shaft] for shaft in self._tachs if shaft in frame.tach}

    def _window(self, frame: Frame, features: WindowFeatures) -> Window:
        start_n = features.start_n
        end_n = start_n + self._spec.window_n
        while len(self._phases) > 1 and self._phases[1][0] <= start_n:
            self._phases.popleft()
        while len(self._frames) > 1 and self._frames[1][0] <= start_n:
            self._frames.popleft()
        first_n, first_seq = self._frames[0]
        changes = len(self._phases) > 1 and self._phases[1][0] < end_n
        return Window(
            flight=frame.flight,
            phase=self._phase_at(end_n),
            start_ns=self._time_ns(start_n),
            end_ns=self._time_ns(end_n),
            values=features.values,
            reason=features.reason or (PHASE_CHANGE if changes else ""),
            first_seq=first_seq,
            offset_n=start_n - first_n,
        )

    def _phase_at(self, end_n: int) -> str:
        return next(phase for start_n, phase in reversed(self._phases) if start_n < end_n)

    def _time_ns(self, n: int) -> int:
        return self._anchor_ns + samples_ns(n, self._spec.sampling_rate_hz)

    def _empty(self, flight: str, phase: str, start_n: int, end_n: int) -> Window:
        nothing = np.zeros(self._extractor.n_feature, dtype=np.float32)
        return Window(
            flight=flight, phase=phase, start_ns=self._time_ns(start_n), end_ns=self._time_ns(end_n), values=nothing,
            reason=GAP,
        )  # fmt: skip

    def _unheard(self, frame: Frame, reason: str) -> Window:
        nothing = np.zeros(self._extractor.n_feature, dtype=np.float32)
        return Window(
            flight=frame.flight, phase=frame.phase, start_ns=frame.t_ns, end_ns=frame.end_ns, values=nothing,
            reason=reason, first_seq=frame.seq,
        )  # fmt: skip
