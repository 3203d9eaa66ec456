"""The door to a folder of recordings: the index, single recordings, and their frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ground.config import PreprocessConfig
from ground.frames import frames_of
from ground.interim import read_interim
from ground.recording import PhaseRun, Recording, Stretch
from ground.recording_files import read_samples
from ground.recording_index import RecordingInfo, read_index
from ground.synchronise import synchronise

__all__ = [
    "PhaseRun",
    "Recording",
    "RecordingInfo",
    "Stretch",
    "frames_of",
    "load_recording",
    "read_index",
]

GAP_TOLERANCE_S = PreprocessConfig().gap_tolerance_s


def load_recording(
    folder: Path, info: RecordingInfo, *, conditions: Sequence[str], gap_tolerance_s: float = GAP_TOLERANCE_S
) -> Recording:
    """Read one recording, raw or interim; both give the same stretches.

    Args:
        folder: The recordings folder.
        info: The recording's row of the index.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        gap_tolerance_s: For a raw file with stamps: step, beyond the sampling interval, from which there is a gap.

    Raises:
        DataError: The file is missing, damaged or breaks the layout; names file, column, what was expected and came.
    """
    file = read_samples(folder / info.file, info.channels)
    if file.interim:
        return read_interim(info, file, conditions=conditions)
    return synchronise(info, file, conditions=conditions, gap_tolerance_s=gap_tolerance_s).recording
