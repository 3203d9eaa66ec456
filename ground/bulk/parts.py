"""Parts: the results of single recordings, kept beside an output until it is whole, so that a killed run goes on.

A part is named by the digest of its bytes. ``manifest.jsonl`` has a line for what the run works with, and one for each
part: which recording, what its files were, how many rows. A line that is torn, or a part that is not what its line
says, counts as not done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from ground.batch_table import Part
from ground.fleet.collect.locks import lock_alone
from ground.recording_index import RecordingInfo
from ground.workspace import write_atomic

SCHEMA = 2
MANIFEST = "manifest.jsonl"
TABLE = "table.new"
"""What the parts are joined to, until it goes to its place; removed with whatever else a killed run left."""
_SUFFIX = ".arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all parts of a run depend on.

    Attributes:
        model: Digest of the model's files and of what was known of the units.
        bundle_digest: Digest of the bundle, as results carry it.
        platform: Libraries and kind of machine.
        schema: Of the parts.
    """

    model: str
    bundle_digest: str
    platform: str
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPart:
    """A line of the manifest.

    Attributes:
        recording_id: The recording.
        row: sha256 over what the index says of it.
        stamp: What its files were; see ``Store.stamp``.
        sha256: Of the part's bytes, and the name of its file.
        assessments: Rows.
        alarms: Alarms raised.
    """

    recording_id: str
    row: str
    stamp: str
    sha256: str
    assessments: int
    alarms: int


class PartsFolder:
    """The parts of one output; see ``opened_parts``."""

    def __init__(self, folder: Path, kept: dict[str, KeptPart], manifest: TextIO) -> None:
        self._folder = folder
        self._kept = kept
        self._manifest = manifest
        self.stays = False
        """Whether the folder stays after a block that ends well, for a run that does the rest."""

    @property
    def table(self) -> Path:
        """The file that the parts are joined to."""
        return self._folder / TABLE

    def stamp_of(self, info: RecordingInfo) -> str:
        """What a recording's files must be for its part to stand; empty where it has none."""
        kept = self._kept.get(info.recording_id)
        return kept.stamp if kept and kept.row == _row_digest(info) else ""

    def kept(self, info: RecordingInfo) -> KeptPart:
        """The part of a recording that has one."""
        return self._kept[info.recording_id]

    def keep(self, info: RecordingInfo, part: Part, stamp: str) -> KeptPart:
        """Keep a part: from here on a kill does not lose it.

        Raises:
            OSError: The disk refuses.
        """
        digest = hashlib.sha256(part.data).hexdigest()
        path = self.path_of(digest)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(part.data)
        temporary.replace(path)
        kept = KeptPart(
            recording_id=info.recording_id, row=_row_digest(info), stamp=stamp,
            sha256=digest, assessments=part.assessments, alarms=part.alarms,
        )  # fmt: skip
        self._manifest.write(_line(asdict(kept)))
        self._manifest.flush()
        return kept

    def path_of(self, digest: str) -> Path:
        """The file of a part."""
        return self._folder / f"{digest}{_SUFFIX}"


@contextmanager
def opened_parts(folder: Path, context: RunContext) -> Iterator[PartsFolder]:
    """The parts beside an output; the folder stays after a block that does not end well, or asks for it.

    Args:
        folder: Made where it is missing; parts of another context in it are removed.
        context: Of this run.

    Raises:
        ConfigError: Another run works on the same output.
        OSError: The disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_alone(folder, where="--output", action="wait until that run has ended")
    try:
        kept = _read(folder, context)
        lines = [_line(asdict(context)), *(_line(asdict(part)) for part in kept.values())]
        write_atomic(folder / MANIFEST, "".join(lines).encode())
        with (folder / MANIFEST).open("a", encoding="utf-8") as manifest:
            parts = PartsFolder(folder, kept, manifest)
            yield parts
        if not parts.stays:
            shutil.rmtree(folder)
    finally:
        (folder / TABLE).unlink(missing_ok=True)
        _remove_empty(folder)
        lock.close()


def _read(folder: Path, context: RunContext) -> dict[str, KeptPart]:
    """Parts that stand; whatever else lies in the folder is removed."""
    kept: dict[str, KeptPart] = {}
    with suppress(FileNotFoundError):
        lines = (folder / MANIFEST).read_bytes().split(b"\n")
        if lines[0] == _line(asdict(context)).strip().encode():
            kept = {part.recording_id: part for part in map(_part, lines[1:]) if part}
    kept = {name: part for name, part in kept.items() if _is_whole(folder / f"{part.sha256}{_SUFFIX}", part.sha256)}
    wanted = {MANIFEST, *(f"{part.sha256}{_SUFFIX}" for part in kept.values())}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    return kept


def _part(line: bytes) -> KeptPart | None:
    try:
        return KeptPart(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _is_whole(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == digest
    except OSError:
        return False


def _remove_empty(folder: Path) -> None:
    """Leave nothing behind where there is nothing to go on with."""
    if folder.is_dir() and not any(folder.glob(f"*{_SUFFIX}")):
        shutil.rmtree(folder)


def _row_digest(info: RecordingInfo) -> str:
    return hashlib.sha256(json.dumps(asdict(info), sort_keys=True).encode()).hexdigest()


def _line(document: dict[str, object]) -> str:
    return f"{json.dumps(document, sort_keys=True)}\n"
