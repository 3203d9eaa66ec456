"""The windows of one recording, by the code that flies, joined with what the ground knows about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from edge_agent.stream import Window, WindowStream
from ground.frames import frame_s_of, frames_of
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY, UNLABELLED, Recording, Stretch
from ground.recording_index import RecordingInfo
from ground.recordings import load_recording
from shared_features.spec import FeatureSpec

Span = tuple[int, int]
"""Start and end, source time in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingWindows:
    """The windows of one recording, in the order in which the agent would have made them.

    Attributes:
        info: The recording.
        windows: Features, phases and times.
        label: (n,) int8; see ``label_windows``.
        faulty_share: (n,) float32, share of the window's samples that are labelled faulty.
        outlier: (n,) whether the window touches a span that preprocessing keeps out of the fit.
    """

    info: RecordingInfo
    windows: tuple[Window, ...]
    label: NDArray[np.int8]
    faulty_share: NDArray[np.float32]
    outlier: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WindowLabels:
    """(n,) int8 labels and (n,) float32 shares of faulty samples."""

    label: NDArray[np.int8]
    faulty_share: NDArray[np.float32]


def extract_windows_of(
    folder: Path, info: RecordingInfo, outliers: Sequence[Span], *, spec: FeatureSpec
) -> RecordingWindows:
    """Load one interim recording and compute its windows.

    Args:
        folder: The interim folder.
        info: The recording's row of the index.
        outliers: Spans to keep out of the fit.
        spec: What to compute.

    Raises:
        DataError: The recording cannot be read.
    """
    recording = load_recording(folder, info, conditions=spec.speeds)
    windows = windows_of(recording, spec)
    start_ns = np.array([window.start_ns for window in windows], dtype=np.int64)
    end_ns = np.array([window.end_ns for window in windows], dtype=np.int64)
    labels = label_windows(recording, start_ns, end_ns)
    return RecordingWindows(
        info=info,
        windows=tuple(windows),
        label=labels.label,
        faulty_share=labels.faulty_share,
        outlier=touches(start_ns, end_ns, outliers),
    )


def windows_of(recording: Recording, spec: FeatureSpec) -> list[Window]:
    """What the agent makes of a recording, sent in frames of ``frame_s_of(spec)``."""
    stream = WindowStream(spec)
    return [window for frame in frames_of(recording, frame_s=frame_s_of(spec)) for window in stream.push(frame)]


def label_windows(recording: Recording, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> WindowLabels:
    """Label windows by their samples.

    A window is faulty (1) when more than half of its samples are, healthy (0) when all of its samples are healthy, and
    unlabelled (-1) otherwise: one that has just begun to be faulty is neither a miss nor a false alarm.

    Args:
        recording: The labelled samples.
        start_ns: (n,) source times of first samples.
        end_ns: (n,) source times just after last samples.
    """
    counts = np.zeros((3, len(start_ns)))
    rate_hz = recording.info.sampling_rate_hz
    for stretch in recording.stretches:
        first = _sample_numbers(stretch, start_ns, rate_hz)
        end = _sample_numbers(stretch, end_ns, rate_hz)
        for row, label in enumerate((LABEL_HEALTHY, LABEL_FAULTY)):
            before = np.concatenate([[0], np.cumsum(stretch.labels == label)])
            counts[row] += before[end] - before[first]
        counts[2] += end - first
    healthy, faulty, total = counts
    labels = np.full(len(start_ns), UNLABELLED, dtype=np.int8)
    labels[(healthy == total) & (total > 0)] = LABEL_HEALTHY
    labels[2.0 * faulty > total] = LABEL_FAULTY
    return WindowLabels(labels, (faulty / np.maximum(total, 1.0)).astype(np.float32))


def touches(start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """(n,) whether a window shares time with one of ``spans``."""
    flags = np.zeros(len(start_ns), dtype=bool)
    for first_ns, last_ns in spans:
        flags |= (start_ns < last_ns) & (end_ns > first_ns)
    return flags


def _sample_numbers(stretch: Stretch, t_ns: NDArray[np.int64], rate_hz: float) -> NDArray[np.int64]:
    """Numbers of the samples at some times, cut to the stretch."""
    # The difference is taken in whole nanoseconds: float64 would round times since 1970 to a quarter of a microsecond.
    numbers = np.rint((t_ns - stretch.start_ns) * (rate_hz / NS_PER_S)).astype(np.int64)
    return np.asarray(np.clip(numbers, 0, len(stretch.samples)))
