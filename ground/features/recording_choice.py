"""Which recording a person means: an id of a folder, or the path of a file in one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from ground.errors import DataError
from ground.index_cells import CSV, PARQUET
from ground.recording_index import INDEX_NAME, RecordingInfo, read_index

_SUFFIXES = (PARQUET, CSV)
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class ChosenRecording:
    """A recording and the folder that holds it."""

    folder: Path
    info: RecordingInfo


def choose_recording(recording: str, data: Path) -> ChosenRecording:
    """Find a recording.

    Args:
        recording: A recording id, or the path of a Parquet or CSV file below a folder with ``recordings.csv``.
        data: The folder in which an id is looked up.

    Raises:
        DataError: No such recording, or no index.
    """
    path = Path(recording)
    if path.suffix.lower() in _SUFFIXES and path.is_file():
        return _of_file(path.resolve())
    if not (data / INDEX_NAME).is_file():
        raise DataError(
            f"{data / INDEX_NAME}: expected the index of a recordings folder, got none; name the folder with --data"
        )
    infos = read_index(data)
    found = [info for info in infos if info.recording_id == recording]
    if not found:
        names = [info.recording_id for info in infos]
        near = difflib.get_close_matches(recording, names, n=_MOST_NAMED, cutoff=0.4) or names[:_MOST_NAMED]
        raise DataError(
            f"{data / INDEX_NAME}: expected recording {recording!r}, got {len(names)} others (such as "
            f"{', '.join(near)}); give the id or the path of one, or another folder with --data"
        )
    return ChosenRecording(data, found[0])


def _of_file(path: Path) -> ChosenRecording:
    folder = next((parent for parent in path.parents if (parent / INDEX_NAME).is_file()), None)
    if folder is None:
        raise DataError(
            f"{path}: expected a file below a folder with {INDEX_NAME}, which states rate and units, got none; "
            "see docs/reference/recordings.md"
        )
    for info in read_index(folder):
        if (folder / info.file).resolve() == path:
            return ChosenRecording(folder, info)
    name = path.relative_to(folder)
    raise DataError(f"{folder / INDEX_NAME}: expected a row for {name}, got none; add it to the index")
