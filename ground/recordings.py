"""The door to a folder of recordings: the index, single recordings, and their frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ground.config import PreprocessConfig
from ground.frames import frames_of
from ground.interim import read_interim
from ground.interim_stream import interim_footer, stream_interim
from ground.raw_stream import is_streamable, stream_raw
from ground.recording import PhaseRun, Recording, RecordingStream, Stretch
from ground.recording_files import read_samples
from ground.recording_index import RecordingInfo, read_index
from ground.stated_samples import check_rate, check_stated
from ground.synchronise import synchronise

__all__ = [
    "PhaseRun",
    "Recording",
    "RecordingInfo",
    "RecordingStream",
    "Stretch",
    "frames_of",
    "load_recording",
    "read_index",
    "stream_recording",
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
        DataError: The file is missing, damaged, breaks the layout, or is not what the index states of it; names file,
            column, what was expected and came.
    """
    file = read_samples(folder / info.file, info.channels)
    check_rate(info, file)
    if file.interim:
        recording = read_interim(info, file, conditions=conditions)
    else:
        recording = synchronise(info, file, conditions=conditions, gap_tolerance_s=gap_tolerance_s).recording
    check_stated(info, file)
    return recording


def stream_recording(
    folder: Path, info: RecordingInfo, *, conditions: Sequence[str], piece_n: int
) -> Recording | RecordingStream:
    """One recording to be gone through once, piece by piece; a raw one of segments without a period out of memory.

    Args:
        folder: The recordings folder.
        info: The recording's row of the index.
        conditions: Which operating conditions to add, out of ``shared_features.spec.CONDITIONS``.
        piece_n: Each piece but the last one of a stretch is a whole multiple of so many samples.

    Raises:
        DataError: As ``load_recording``, also while its stretches are gone through.
    """
    path = folder / info.file
    footer = interim_footer(path)
    if footer is not None:
        return stream_interim(path, footer, info, conditions=conditions, piece_n=piece_n)
    if is_streamable(path, info):
        return stream_raw(path, info, conditions=conditions, piece_n=piece_n, gap_tolerance_s=GAP_TOLERANCE_S)
    return load_recording(folder, info, conditions=conditions)
