"""Which recordings a detector was made from, by digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ground.errors import DataError
from ground.recording_index import RecordingInfo, read_index


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDigest:
    """The recordings of one dataset.

    Attributes:
        name: The dataset, as the index names it.
        recordings: How many.
        digest: sha256 (hex) over a line ``<sha256 of the file>  <recording_id>`` a recording, sorted: what
            ``sha256sum`` would print, so that others can check it.
    """

    name: str
    recordings: int
    digest: str


def dataset_digests(folder: Path) -> tuple[DatasetDigest, ...]:
    """Every dataset of a recordings folder, by name.

    Args:
        folder: Holds ``recordings.csv``.

    Raises:
        DataError: The index or a file is missing.
    """
    datasets: dict[str, list[RecordingInfo]] = {}
    for info in read_index(folder):
        datasets.setdefault(info.dataset, []).append(info)
    return tuple(_digest(folder, name, datasets[name]) for name in sorted(datasets))


def _digest(folder: Path, name: str, infos: list[RecordingInfo]) -> DatasetDigest:
    lines = (f"{_file_digest(folder / info.file)}  {info.recording_id}\n" for info in infos)
    text = "".join(sorted(lines, key=lambda line: line.partition("  ")[2]))
    return DatasetDigest(name=name, recordings=len(infos), digest=hashlib.sha256(text.encode()).hexdigest())


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: expected a recording, got {error}; run `ground preprocess` again") from error
