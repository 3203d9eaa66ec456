"""Golden vectors: a few recorded windows with what must come out of them, so that an agent can prove itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from edge_agent.golden import golden_window
from edge_agent.golden_vectors import GoldenVectors, join_pulses
from edge_agent.scorer import Scorer
from edge_agent.stream import tach_shafts
from ground.errors import DataError
from ground.recordings import Recording, RecordingStream, Stretch, read_index, stream_recording
from ground.workspace import Workspace
from shared_features.spec import FeatureSpec

GOLDEN_WINDOWS = 4
GOLDEN_SAMPLES_CAP = 4_000_000
"""Samples over all channels that the golden windows may hold together: 16 MB of the bundle."""


@dataclass(frozen=True, slots=True)
class GoldenWindow:
    """What goes into the features of one golden window.

    Attributes:
        samples: (window_n, n_channel) float32 in the order of the spec.
        speeds: (n_speed,) float64 in the order of ``FeatureSpec.speeds``, those at the window's middle.
        pulses: Tachometer pulses by shaft, as positions in samples from the window's first one.
    """

    samples: NDArray[np.float32]
    speeds: NDArray[np.float64]
    pulses: Mapping[str, NDArray[np.float64]]


def golden_vectors(workspace: Workspace, spec: FeatureSpec, windows: pd.DataFrame, scorer: Scorer) -> GoldenVectors:
    """Cut golden windows out of the recordings and compute what must come out.

    Args:
        workspace: Holds the interim recordings.
        spec: The feature spec.
        windows: The feature table (recording_id, start_ns, label, phase, reason, ...); see ``choose_windows``.
        scorer: The model.

    Raises:
        DataError: No window can be assessed, or a window is not found in its recording.
    """
    chosen = choose_windows(windows, _count(spec))
    infos = {info.recording_id: info for info in read_index(workspace.interim)}
    pieces = []
    for name, start_ns in zip(chosen["recording_id"], chosen["start_ns"].to_numpy(np.int64), strict=True):
        info = infos[str(name)]
        recording = stream_recording(workspace.interim, info, conditions=spec.speeds, piece_n=spec.record_n)
        pieces.append(cut_window(recording, spec, int(start_ns)))
    return prove_windows(spec, pieces, scorer)


def prove_windows(spec: FeatureSpec, pieces: Sequence[GoldenWindow], scorer: Scorer) -> GoldenVectors:
    """Compute what must come out of some windows; those that cannot be assessed on their own are left out.

    Raises:
        DataError: None can be assessed.
    """
    found = [(piece, golden_window(spec, piece.samples, piece.speeds, piece.pulses)) for piece in pieces]
    kept = [(piece, window.values) for piece, window in found if not window.reason]
    if not kept:
        reasons = ", ".join(sorted({window.reason for _, window in found}))
        raise DataError(
            f"golden windows: expected one that can be assessed by itself, got {reasons}; "
            "record longer stretches of steady running"
        )
    tachs = tach_shafts(spec)
    return GoldenVectors(
        samples=np.stack([piece.samples for piece, _ in kept]),
        speeds=np.stack([piece.speeds for piece, _ in kept]),
        pulses=join_pulses([piece.pulses for piece, _ in kept], tachs),
        features=np.stack([values for _, values in kept]),
        scores=np.array([scorer.score(values).score for _, values in kept], dtype=np.float32),
    )


def choose_windows(windows: pd.DataFrame, count: int) -> pd.DataFrame:
    """``count`` assessed windows, spread evenly over the table sorted by label, phase, recording and time.

    Windows amid steady running come first, for one speed holds through a golden window: those between two assessed ones
    of their recording and phase. Where there are none, any assessed window will do.

    Raises:
        DataError: No window can be assessed.
    """
    ordered = windows.sort_values(["recording_id", "start_ns"])
    assessed = ordered["reason"] == ""
    if not assessed.any():
        raise DataError("features: expected a window that can be assessed, got none; look into the preprocess report")
    run = ordered[["recording_id", "phase"]].where(assessed)
    amid = assessed & (run == run.shift(1)).all(axis=1) & (run == run.shift(-1)).all(axis=1)
    usable = ordered[amid if amid.any() else assessed]
    usable = usable.sort_values(["label", "phase", "recording_id", "start_ns"])
    positions = np.unique(np.linspace(0, len(usable) - 1, count).round().astype(int))
    return usable.iloc[positions]


def _count(spec: FeatureSpec) -> int:
    return max(1, min(GOLDEN_WINDOWS, GOLDEN_SAMPLES_CAP // (spec.window_n * len(spec.channels))))


def cut_window(recording: Recording | RecordingStream, spec: FeatureSpec, start_ns: int) -> GoldenWindow:
    """The window that begins at ``start_ns``.

    Raises:
        DataError: The recording does not hold it.
    """
    parts = _parts(recording, spec, start_ns)
    columns = [recording.info.channels.index(channel.name) for channel in spec.channels]
    speeds = np.concatenate([part.stretch.conditions[part.inside] for part in parts])
    return GoldenWindow(
        samples=np.concatenate([part.stretch.samples[part.inside][:, columns] for part in parts]),
        speeds=speeds[spec.window_n // 2],
        pulses={shaft: np.concatenate([part.pulses(shaft) for part in parts]) for shaft in tach_shafts(spec)},
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The samples ``inside`` of a piece of a stretch, which come after ``before_n`` others of the window."""

    stretch: Stretch
    inside: slice
    before_n: int

    def pulses(self, shaft: str) -> NDArray[np.float64]:
        """Positions in samples from the window's first one."""
        positions = self.stretch.tach.get(shaft, np.zeros(0))
        first, last = np.searchsorted(positions, (self.inside.start, self.inside.stop))
        return np.asarray(positions[first:last] + (self.before_n - self.inside.start))


def _parts(recording: Recording | RecordingStream, spec: FeatureSpec, start_ns: int) -> list[_Part]:
    """What the pieces of the recording hold of the window, in order."""
    parts: list[_Part] = []
    found_n = 0
    for stretch in recording.stretches:
        begin_n = round((start_ns - stretch.start_ns) * spec.sampling_rate_hz / NS_PER_S) - stretch.first_n
        if not stretch.first_n:
            parts, found_n = [], 0
        if begin_n + found_n >= 0:
            inside = slice(begin_n + found_n, min(begin_n + spec.window_n, len(stretch.samples)))
            if inside.start < inside.stop:
                parts.append(_Part(stretch, inside, found_n))
                found_n += inside.stop - inside.start
        if found_n == spec.window_n:
            return parts
    raise DataError(
        f"{recording.info.recording_id}: expected samples at {start_ns} ns, got none; run `ground featurize` again"
    )
