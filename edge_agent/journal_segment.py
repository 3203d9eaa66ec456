"""A segment of the journal: one file of records of one grade, and beside it one of the numbers that have arrived.

Both are only ever appended to, by the process that made them, and deleted whole. docs/reference/journal.md describes
the format.
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from edge_agent.journal_record import Place, Scan, decode_record, encode_record, scan_records
from edge_agent.publication import Grade, Publication

BLOCK_BYTES = 4096
"""What a flash or a file system writes at least."""

_NAME = re.compile(r"(telemetry|result|alert)-(\d{20})\.v1\.log")
_ARRIVED = struct.Struct("<II")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Segment:
    """One segment; used by one thread.

    Args:
        path: Its file, named by grade and first number; use ``named`` for a new one and ``find`` for those there are.

    Attributes:
        path: Its file.
        grade: Grade of all its records.
        first: Number of its first record.
        last: Number of its last sound record; ``first - 1`` when there is none.
        written_bytes: Bytes of the blocks that this process has had written for it.
        damaged: Records lost to damage.
        torn_bytes: Bytes after the last sound record.
    """

    def __init__(self, path: Path) -> None:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path}: expected the name of a segment")
        self.path = path
        self.grade = Grade[match[1].upper()]
        self.first = int(match[2])
        self.last = self.first - 1
        self.written_bytes = self.damaged = self.torn_bytes = 0
        self._n = 0
        self._arrived: set[int] = set()
        self._records_bytes = self._arrived_bytes = 0
        self._seed = crc32(path.name.encode())
        self._content: bytes = b""
        self._places: Sequence[Place] = ()

    @classmethod
    def named(cls, folder: Path, grade: Grade, first: int) -> Segment:
        """A new segment; its file is made by the first ``append``."""
        return cls(folder / f"{grade.name.lower()}-{first:020d}.v1.log")

    @staticmethod
    def find(folder: Path) -> list[Segment]:
        """The segments in a folder, oldest first within each grade; not read yet.

        Raises:
            OSError: The folder cannot be read; one that is missing is empty.
        """
        with suppress(FileNotFoundError):
            return [Segment(path) for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)]
        return []

    @staticmethod
    def remove_orphans(folder: Path) -> None:
        """Remove arrivals without their records: of a new file by the same name they would say what is not true.

        Raises:
            OSError: The disk refuses.
        """
        for path in folder.glob("*.v1.arrived"):
            if not path.with_suffix(".log").exists():
                path.unlink()

    @property
    def waiting(self) -> int:
        """Sound records that have not arrived."""
        return self._n - len(self._arrived)

    @property
    def size_bytes(self) -> int:
        """Bytes of the blocks that both files take: of a file with one record, most is not the record."""
        return sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in (self._records_bytes, self._arrived_bytes))

    @property
    def _arrived_path(self) -> Path:
        return self.path.with_suffix(".arrived")

    def load(self) -> None:
        """Read what is in the files.

        Raises:
            OSError: They cannot be read.
        """
        scan = self._scan()
        arrived = self._read_arrived()
        self._arrived = {place.number for place in scan.places}.intersection(arrived)
        self._n = len(scan.places)
        self.last = scan.places[-1].number if scan.places else self.last
        self.damaged, self.torn_bytes = scan.damaged, scan.torn_bytes
        self.unload()

    def unload(self) -> None:
        """Forget the content of the file, which ``read`` has kept for the next time."""
        self._content, self._places = b"", ()

    def encode(self, publications: Iterable[Publication]) -> list[bytes]:
        """The records that ``append`` would write for these publications."""
        return [encode_record(number, each, self._seed) for number, each in enumerate(publications, self.last + 1)]

    def append(self, records: Sequence[bytes]) -> None:
        """Write records that ``encode`` has made, in one go, and wait for the disk.

        Raises:
            OSError: The disk refuses; no more may be written to this segment.
        """
        is_new = self._records_bytes == 0
        self._records_bytes = self._write(self.path, b"".join(records), self._records_bytes)
        if is_new:
            sync_folder(self.path.parent)
        self._n += len(records)
        self.last += len(records)

    def note_arrived(self, numbers: Iterable[int]) -> None:
        """Keep in mind, and on disk, that records have arrived.

        Raises:
            OSError: The disk refuses; it is kept in mind all the same.
        """
        new = [number for number in numbers if self.first <= number <= self.last and number not in self._arrived]
        self._arrived.update(new)
        if not new:
            return
        # What another process left may end within an entry.
        aligned = -(-self._arrived_bytes // _ARRIVED.size) * _ARRIVED.size
        entries = bytes(aligned - self._arrived_bytes) + b"".join(map(self._arrived_entry, new))
        self._arrived_bytes = self._write(self._arrived_path, entries, self._arrived_bytes)

    def read(self, *, since: int = 0, leave_out: Container[int] = ()) -> Iterator[tuple[int, Publication]]:
        """Numbers and publications of the records from number ``since`` on that have not arrived, nor are left out.

        Raises:
            OSError: The file cannot be read.
        """
        if len(self._content) != self._records_bytes:
            self._places = self._scan().places
        begin = bisect_left(self._places, since, key=lambda place: place.number)
        for place in self._places[begin:]:
            if place.number not in self._arrived and place.number not in leave_out:
                yield place.number, decode_record(self._content[place.start : place.end], self.grade)

    def delete(self) -> None:
        """Remove both files.

        Raises:
            OSError: The disk refuses.
        """
        self.path.unlink(missing_ok=True)
        self._arrived_path.unlink(missing_ok=True)

    def _scan(self) -> Scan:
        self._content = self.path.read_bytes()
        self._records_bytes = len(self._content)
        return scan_records(self._content, first=self.first, seed=self._seed)

    def _read_arrived(self) -> set[int]:
        content = b""
        with suppress(FileNotFoundError):
            content = self._arrived_path.read_bytes()
        self._arrived_bytes = len(content)
        whole = content[: len(content) // _ARRIVED.size * _ARRIVED.size]
        entries = range(0, len(whole), _ARRIVED.size)
        return {
            self.first + _ARRIVED.unpack_from(whole, at)[0]
            for at in entries
            if self._arrived_entry(self.first + _ARRIVED.unpack_from(whole, at)[0]) == whole[at : at + _ARRIVED.size]
        }

    def _arrived_entry(self, number: int) -> bytes:
        ordinal = number - self.first
        return _ARRIVED.pack(ordinal, crc32(ordinal.to_bytes(4, "little"), self._seed))

    def _write(self, path: Path, content: bytes, size: int) -> int:
        """Append and sync; returns the new size. After a failure the file is as it was, if the disk lets it."""
        descriptor = os.open(path, _FLAGS, 0o640)
        try:
            _write_all(descriptor, content)
            os.fdatasync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        end = size + len(content)
        self.written_bytes += (-(-end // BLOCK_BYTES) - size // BLOCK_BYTES) * BLOCK_BYTES
        return end


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk.

    Raises:
        OSError: The disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
