"""The windows of one recording, by the code that flies, joined with what the ground knows about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_agent.stream import Window, WindowStream
from ground.frames import frames_for
from ground.recording import Recording, RecordingStream
from ground.recording_index import RecordingInfo
from ground.recordings import stream_recording
from ground.window_labels import LabelRuns, Span, touches
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

_WINDOWS_AT_ONCE = 4096
"""Of so many windows there are objects at a time; the others are rows of arrays."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRows:
    """Windows as rows, in the order in which the agent would have made them; see ``edge_agent.stream.Window``.

    Attributes:
        flight: One a window.
        phase: One a window.
        start_ns: (n,) int64.
        end_ns: (n,) int64.
        values: (n, n_feature) float32.
        reason: One a window; empty where it can be assessed.
    """

    flight: tuple[str, ...]
    phase: tuple[str, ...]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    values: NDArray[np.float32]
    reason: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingWindows:
    """The windows of one recording.

    Attributes:
        info: The recording.
        windows: Features, phases and times.
        label: (n,) int8; see ``LabelRuns.label_windows``.
        faulty_share: (n,) float32, share of the window's samples that are labelled faulty.
        outlier: (n,) whether the window touches a span that preprocessing keeps out of the fit.
    """

    info: RecordingInfo
    windows: WindowRows
    label: NDArray[np.int8]
    faulty_share: NDArray[np.float32]
    outlier: NDArray[np.bool_]


def extract_windows_of(
    folder: Path, info: RecordingInfo, outliers: Sequence[Span], *, spec: FeatureSpec
) -> RecordingWindows:
    """Read one interim recording piece by piece and compute its windows.

    Args:
        folder: The interim folder.
        info: The recording's row of the index.
        outliers: Spans to keep out of the fit.
        spec: What to compute.

    Raises:
        DataError: The recording cannot be read.
    """
    recording = stream_recording(folder, info, conditions=spec.speeds, piece_n=spec.record_n)
    runs = LabelRuns(info.sampling_rate_hz)
    watched = RecordingStream(info, recording.conditions, runs.watch(recording.stretches))
    windows = rows_of(windows_of(watched, spec), spec)
    labels = runs.label_windows(windows.start_ns, windows.end_ns)
    return RecordingWindows(
        info=info,
        windows=windows,
        label=labels.label,
        faulty_share=labels.faulty_share,
        outlier=touches(windows.start_ns, windows.end_ns, outliers),
    )


def windows_of(recording: Recording | RecordingStream, spec: FeatureSpec) -> Iterator[Window]:
    """What the agent makes of a recording, sent in the frames of ``frames_for``."""
    stream = WindowStream(spec)
    for frame in frames_for(spec, recording):
        yield from stream.push(frame)


def rows_of(windows: Iterable[Window], spec: FeatureSpec) -> WindowRows:
    """Windows as rows."""
    parts = [_rows(part, spec) for part in in_groups(windows, _WINDOWS_AT_ONCE)] or [_rows([], spec)]
    return WindowRows(
        flight=tuple(flight for part in parts for flight in part.flight),
        phase=tuple(phase for part in parts for phase in part.phase),
        start_ns=np.concatenate([part.start_ns for part in parts]),
        end_ns=np.concatenate([part.end_ns for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        reason=tuple(reason for part in parts for reason in part.reason),
    )


def in_groups(items: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The items in lists of ``n``; the last one may be shorter, none is empty."""
    left = iter(items)
    while group := list(itertools.islice(left, n)):
        yield group


def _rows(windows: Sequence[Window], spec: FeatureSpec) -> WindowRows:
    values = np.zeros((len(windows), len(columns_of(spec))), dtype=np.float32)
    for row, window in zip(values, windows, strict=True):
        row[:] = window.values
    return WindowRows(
        flight=tuple(window.flight for window in windows),
        phase=tuple(window.phase for window in windows),
        start_ns=np.array([window.start_ns for window in windows], dtype=np.int64),
        end_ns=np.array([window.end_ns for window in windows], dtype=np.int64),
        values=values,
        reason=tuple(window.reason for window in windows),
    )
