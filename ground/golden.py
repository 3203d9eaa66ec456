"""Golden vectors: a few recorded windows with what must come out of them, so that an agent can prove itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.scorer import Scorer
from ground.errors import DataError
from ground.recordings import Recording, Stretch, load_recording, read_index
from ground.workspace import Workspace
from shared_features.extract import extract_windows
from shared_features.spec import FeatureSpec

GOLDEN_WINDOWS = 4
GOLDEN_SAMPLES_CAP = 4_000_000
"""Samples over all channels that the golden windows may hold together: 16 MB of the bundle."""


def golden_vectors(workspace: Workspace, spec: FeatureSpec, windows: pd.DataFrame, scorer: Scorer) -> GoldenVectors:
    """Cut golden windows out of the recordings and compute what must come out.

    Args:
        workspace: Holds the interim recordings.
        spec: The feature spec.
        windows: The feature table (recording_id, start_ns, label, reason, ...); only assessed windows are taken, spread
            evenly over the table sorted by label, phase and time.
        scorer: The model.

    Raises:
        DataError: No window can be assessed, or a window is not found in its recording.
    """
    chosen = choose_windows(windows, _count(spec))
    infos = {info.recording_id: info for info in read_index(workspace.interim)}
    pieces = []
    for name, start_ns in zip(chosen["recording_id"], chosen["start_ns"].to_numpy(np.int64), strict=True):
        recording = load_recording(workspace.interim, infos[str(name)], conditions=spec.conditions)
        pieces.append(_cut(recording, spec, int(start_ns)))
    vectors = [extract_windows(spec, samples, conditions)[0] for samples, conditions in pieces]
    return GoldenVectors(
        samples=np.stack([samples for samples, _ in pieces]),
        conditions=np.stack([conditions for _, conditions in pieces]),
        features=np.stack([vector.values for vector in vectors]),
        scores=np.array([scorer.score(vector.values).score for vector in vectors], dtype=np.float32),
    )


def choose_windows(windows: pd.DataFrame, count: int) -> pd.DataFrame:
    """``count`` assessed windows, spread evenly over the table sorted by label, phase, recording and time."""
    assessed = windows[windows["reason"] == ""].sort_values(["label", "phase", "recording_id", "start_ns"])
    if assessed.empty:
        raise DataError("features: expected a window that can be assessed, got none; look into the preprocess report")
    positions = np.unique(np.linspace(0, len(assessed) - 1, count).round().astype(int))
    return assessed.iloc[positions]


def _count(spec: FeatureSpec) -> int:
    return max(1, min(GOLDEN_WINDOWS, GOLDEN_SAMPLES_CAP // (spec.window_n * len(spec.channels))))


def _cut(recording: Recording, spec: FeatureSpec, start_ns: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Samples of the window that begins at ``start_ns``, and the conditions at its middle."""
    stretch, first_n = _locate(recording.stretches, spec, start_ns, recording.info.recording_id)
    columns = [recording.info.channels.index(channel.name) for channel in spec.channels]
    samples = stretch.samples[first_n : first_n + spec.window_n, columns]
    return np.ascontiguousarray(samples), stretch.conditions[first_n + spec.window_n // 2]


def _locate(stretches: Sequence[Stretch], spec: FeatureSpec, start_ns: int, name: str) -> tuple[Stretch, int]:
    for stretch in stretches:
        first_n = round((start_ns - stretch.start_ns) * spec.sampling_rate_hz / NS_PER_S)
        if 0 <= first_n <= len(stretch.samples) - spec.window_n:
            return stretch, first_n
    raise DataError(f"{name}: expected samples at {start_ns} ns, got none; run `ground featurize` again")
