"""Finds the window of a recording that holds a moment, and cuts no more out of the recording than it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edge_agent.frame import NS_PER_S
from ground.errors import DataError
from ground.interim_stream import join_pieces, slice_piece
from ground.recording import Stretch
from ground.recordings import RecordingInfo, stream_recording
from shared_features.spec import CONDITIONS, FeatureSpec

_ROUNDING_N = 1e-3
"""Of a sample: a time that is typed in decimals may fall short of the sample that it means."""


@dataclass(frozen=True, slots=True)
class WindowPart:
    """The samples of a window, and of one hop before it where there is one, which tells how the shafts came in.

    Attributes:
        stretch: The samples.
        lead_records: Records before the window.
        window: Which of the part's windows is meant.
    """

    stretch: Stretch
    lead_records: int
    window: int


def find_window(folder: Path, info: RecordingInfo, spec: FeatureSpec, at_s: float) -> WindowPart:
    """Cut out the window that holds a moment: of the agent's windows the one that begins last before it, or at it.

    Args:
        folder: The recordings folder.
        info: The recording.
        spec: Rate, record, window and hop.
        at_s: The moment, in seconds since the recording's time 0.

    Raises:
        DataError: The recording cannot be read, or has no window there.
    """
    if not math.isfinite(at_s):
        raise DataError(f"--at: expected seconds from the recording's start, got {at_s}; give a time within it")
    at_ns = info.start_ns + round(at_s * NS_PER_S)
    search = _Search(spec, at_ns)
    for piece in stream_recording(folder, info, conditions=CONDITIONS, piece_n=spec.record_n).stretches:
        if not piece.first_n and (part := search.finish()):
            return part
        if part := search.take(piece):
            return part
    if part := search.finish():
        return part
    raise DataError(f"--at: {_missed(search, info, at_s)}")


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch that was gone through; times in nanoseconds since 1970 UTC."""

    start_ns: int
    end_ns: int


class _Search:
    """Goes through the pieces of a recording and holds what a window about the moment may need."""

    def __init__(self, spec: FeatureSpec, at_ns: int) -> None:
        self.spec = spec
        self.at_ns = at_ns
        self.spans: list[_Span] = []
        self._hop_n = spec.hop_records * spec.record_n
        self._kept: list[Stretch] = []
        self._at_n = 0.0
        self._seen_n = 0

    def take(self, piece: Stretch) -> WindowPart | None:
        """Take the next piece; the window, once all of it came."""
        if not piece.first_n:
            self._kept.clear()
        self._kept.append(piece)
        self._at_n = (self.at_ns - piece.start_ns) * self.spec.sampling_rate_hz / NS_PER_S + _ROUNDING_N
        self._seen_n = piece.first_n + len(piece.samples)
        # Of a long recording no more is held than the windows about the moment.
        needed_n = self._at_n - self.spec.window_n - 2 * self._hop_n if self._at_n >= 0.0 else math.inf
        self._kept = [part for part in self._kept[:-1] if part.first_n + len(part.samples) > needed_n] + [piece]
        index = math.floor(self._at_n / self._hop_n)
        return self._part(index) if 0 <= index * self._hop_n <= self._seen_n - self.spec.window_n else None

    def finish(self) -> WindowPart | None:
        """End the stretch; its last window, where that holds the moment."""
        if not self._kept:
            return None
        start_ns = self._kept[0].start_ns
        self.spans.append(_Span(start_ns, start_ns + round(self._seen_n / self.spec.sampling_rate_hz * NS_PER_S)))
        index = (self._seen_n - self.spec.window_n) // self._hop_n
        holds = index >= 0 and index * self._hop_n <= self._at_n < index * self._hop_n + self.spec.window_n
        return self._part(index) if holds else None

    def _part(self, index: int) -> WindowPart:
        lead = min(index, 1)
        joined = join_pieces(self._kept)
        first_n = (index - lead) * self._hop_n - joined.first_n
        last_n = index * self._hop_n + self.spec.window_n - joined.first_n
        return WindowPart(slice_piece(joined, first_n, last_n), lead * self.spec.hop_records, lead)


def _missed(search: _Search, info: RecordingInfo, at_s: float) -> str:
    """Why there is no window, and where there are some."""
    holding = [span for span in search.spans if span.start_ns <= search.at_ns < span.end_ns]
    window = f"a window of {search.spec.window_s:g} s"
    if holding:
        return (
            f"expected a time in {window} of {info.recording_id}, got {at_s:g} s; its samples from "
            f"{_told(holding[0], info)} are too few for one there"
        )
    before = [span for span in search.spans if span.end_ns <= search.at_ns][-1:]
    after = [span for span in search.spans if span.start_ns > search.at_ns][:1]
    return (
        f"expected a time at which {info.recording_id} has samples, got {at_s:g} s; the nearest are those from "
        f"{' and from '.join(_told(span, info) for span in before + after)}"
    )


def _told(span: _Span, info: RecordingInfo) -> str:
    start_s, end_s = ((edge_ns - info.start_ns) / NS_PER_S for edge_ns in (span.start_ns, span.end_ns))
    return f"{start_s:.10g} to {end_s:.10g} s"
