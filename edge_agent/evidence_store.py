"""Evidence on disk: a bounded number of files and bytes, each written whole or not at all, the oldest removed first."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edge_agent.errors import EvidenceError, FrameFileError
from edge_agent.evidence import ID_DIGITS, Evidence
from edge_agent.frame_file import write_blocks
from edge_agent.journal_segment import sync_folder

FOLDER: Final = "evidence"
NEWEST: Final = "newest"
_FRAMES = ".frames"
_DESCRIPTION = ".json"
_NAME = re.compile(rf"(\d{{8}})-([0-9a-f]{{{ID_DIGITS}}})")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def _ignore(_error: OSError) -> None:
    pass


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """A snapshot on disk.

    Attributes:
        number: Counts the snapshots of this folder: clocks jump, so age is told by it.
        path: The file of frames; its description has the same name and the suffix ``.json``.
        evidence: The description.
    """

    number: int
    path: Path
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Room:
    """What a snapshot takes, whether its description can be read or not; ``number`` and ``path`` as above."""

    number: int
    path: Path
    n_byte: int


class EvidenceStore:
    """A folder of snapshots. Not for several writers at once.

    Args:
        folder: The folder; made when something is written.
        max_bytes: Most bytes of files of frames.
        max_files: Most snapshots.
        on_unreadable: Told once of each description that the disk does not give.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, max_files: int, on_unreadable: Callable[[OSError], None] = _ignore
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._on_unreadable = on_unreadable
        self._unreadable: set[Path] = set()

    def all(self) -> list[StoredEvidence]:
        """Every snapshot that can be read, oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        return [each for each in self._look() if isinstance(each, StoredEvidence)]

    def find(self, name: str) -> list[StoredEvidence]:
        """The snapshot with an id, or the ``newest``; empty when there is none.

        Raises:
            OSError: The folder cannot be read.
        """
        stored = self.all()
        return stored[-1:] if name == NEWEST else [each for each in stored if each.evidence.id == name][-1:]

    def tidy(self) -> None:
        """Remove what a crash left half-written; before the first write.

        Of what the disk does not give, nobody knows that it is none: a lack of descriptors or a wrong owner passes.

        Raises:
            OSError: The folder cannot be written, or not all of it.
        """
        if not self._folder.is_dir():
            return
        kept = {each.path for each in self._look()}
        fault: OSError | None = None
        for path in sorted(self._folder.iterdir()):
            try:
                if path.with_suffix(_FRAMES) not in kept:
                    path.unlink(missing_ok=True)
            except OSError as error:
                fault = error
        if fault is not None:
            raise fault

    def write(self, evidence: Evidence, blocks: Callable[[], Iterable[bytes]], *, n_byte: int) -> Evidence:
        """Write a snapshot; older ones go where room is short.

        Args:
            evidence: Its description, without length and digest.
            blocks: Gives the encoded frames, each time anew.
            n_byte: About how long the file will be; never less.

        Returns:
            The whole description.

        Raises:
            EvidenceError: It alone is longer than all may be.
            FrameFileError: The disk refuses.
            OSError: The same.
        """
        if n_byte > self._max_bytes:
            raise EvidenceError(f"evidence: expected at most {self._max_bytes} bytes, got {n_byte}; raise max_mib")
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        stored = [_room_of(each) for each in self._look()]
        while len(stored) >= self._max_files or n_byte + sum(each.n_byte for each in stored) > self._max_bytes:
            self._remove_oldest(stored)
        while True:
            number = stored[-1].number + 1 if stored else 1
            try:
                return self._write(self._folder / f"{number:08d}-{evidence.id}{_FRAMES}", evidence, blocks())
            except (OSError, FrameFileError) as error:
                # Others fill the disk, too: the newest evidence is worth more than the oldest.
                if not stored or _cause(error) not in _FULL:
                    raise
                self._remove_oldest(stored)

    def _look(self) -> Iterator[StoredEvidence | _Room]:
        """Every snapshot, oldest first; of one whose description the disk does not give, what it takes."""
        for path in sorted(self._folder.glob(f"*{_FRAMES}")) if self._folder.is_dir() else []:
            name = _NAME.fullmatch(path.stem)
            if not name:
                continue
            try:
                evidence = Evidence.from_json(path.with_suffix(_DESCRIPTION).read_bytes())
            except (FileNotFoundError, EvidenceError):
                continue
            except OSError as error:
                # One bad block must not hide the other snapshots.
                self._tell_once(path, error)
                yield _Room(int(name.group(1)), path, _size_of(path))
                continue
            if evidence.id == name.group(2):
                yield StoredEvidence(int(name.group(1)), path, evidence)

    def _write(self, path: Path, evidence: Evidence, blocks: Iterable[bytes]) -> Evidence:
        description = path.with_suffix(_DESCRIPTION)
        try:
            write_blocks(path, blocks)
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            whole = replace(evidence, n_byte=path.stat().st_size, sha256=digest)
            _replace(description, whole.to_json())
            # What is announced has to outlast a power cut: so do both names.
            sync_folder(path.parent)
        except (OSError, FrameFileError):
            description.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return whole

    def _tell_once(self, path: Path, error: OSError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            self._on_unreadable(error)

    def _remove_oldest(self, stored: list[_Room]) -> None:
        """Remove the oldest that the disk lets go of, and take it off the list; the others keep their room.

        Raises:
            OSError: It lets go of none.
        """
        faults: list[OSError] = []
        for each in stored:
            try:
                self._remove(each.path)
            except OSError as error:
                faults.append(error)
            else:
                stored.remove(each)
                return
        raise faults[0]

    def _remove(self, path: Path) -> None:
        # The description first: what a power cut leaves is then tidied away. So is one that the disk keeps for now.
        with suppress(OSError):
            path.with_suffix(_DESCRIPTION).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _room_of(found: StoredEvidence | _Room) -> _Room:
    return found if isinstance(found, _Room) else _Room(found.number, found.path, found.evidence.n_byte)


def _size_of(path: Path) -> int:
    """Length of a file; 0 where not even that can be read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _replace(path: Path, text: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _cause(error: BaseException) -> int:
    """The error number behind an error of writing."""
    origin = error if isinstance(error, OSError) else error.__cause__
    return (origin.errno or 0) if isinstance(origin, OSError) else 0
