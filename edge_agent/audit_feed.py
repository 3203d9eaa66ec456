"""The feed of the audit log: its lines for the ground, each once, also those that other processes wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from edge_agent.audit_files import AUDIT_FILE, first_of, parts, read_part
from edge_agent.audit_record import AuditLine, Head, hash_of
from edge_agent.health import Counters
from edge_agent.replace_file import replace_file

SENT_FILE: Final = "audit.sent"
DAMAGED: Final = "audit_damaged"
REWOUND: Final = "audit_rewound"
AT_ONCE: Final = 64
"""Lines that are given at one time, at most."""

_UNKNOWN = -1
_AT_ONCE_BYTES = 128 * 1024
_SENT_CAP = 256

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FedLine:
    """A line and its hash."""

    line: AuditLine
    hash: str

    @property
    def head(self) -> Head:
        """Its number and hash."""
        return Head(self.line.seq, self.hash)


class AuditFeed:
    """Gives the lines that came since the position on disk; used by one thread.

    Args:
        folder: The state folder.
        counters: ``audit_damaged`` counts lines that do not fit, ``audit_rewound`` logs that lost what was given.

    Attributes:
        head: The last line that was given.
    """

    def __init__(self, folder: Path, counters: Counters) -> None:
        self._folder = folder
        self._counters = counters
        self.head = read_position(folder / SENT_FILE)
        self._inode, self._offset = _UNKNOWN, 0

    def read(self) -> list[FedLine]:
        """The next lines; where nothing was written, a look at the size of a file is all it takes.

        Raises:
            OSError: The log cannot be read.
        """
        try:
            facts = (self._folder / AUDIT_FILE).lstat()
        except FileNotFoundError:
            # Put aside a moment ago, or nothing was ever decided.
            return []
        if facts.st_ino != self._inode or facts.st_size < self._offset:
            return self._search()
        return self._read_on() if facts.st_size > self._offset else []

    def keep(self) -> None:
        """Remember over restarts that everything given has arrived, or lies in the journal.

        Raises:
            OSError: The disk refuses.
        """
        replace_file(self._folder / SENT_FILE, f"{self.head}\n".encode())

    def _read_on(self) -> list[FedLine]:
        content = read_part(self._folder / AUDIT_FILE, since=self._offset, cap=_AT_ONCE_BYTES)
        lines = content.split(b"\n")[:-1][:AT_ONCE]
        if lines and not self._fits(lines[0]):
            # Put aside between the look at it and the reading, or somebody was at it.
            return self._search()
        self._offset += sum(len(data) + 1 for data in lines)
        return [fed for data in lines for fed in self._take(data)]

    def _search(self) -> list[FedLine]:
        """Find the place where we were, in whichever file it is by now, and go on from there."""
        inode = _inode_of(self._folder / AUDIT_FILE)
        lines = list(_lines_since(self._folder, self.head.seq))
        place = next((n for n, each in enumerate(lines, 1) if hash_of(each.data) == self.head.hash), 0)
        if not place and self._is_rewound(lines):
            self._counters.add(REWOUND)
            _log.error(
                "audit log does not hold what was sent of it", sent=str(self.head), todo="edge-agent audit verify"
            )
            self.head = Head()
            lines = list(_lines_since(self._folder, self.head.seq))
        end = min(place + AT_ONCE, len(lines))
        given = [
            fed for n, each in enumerate(lines[place:end]) for fed in self._take(each.data, is_begin=n == place == 0)
        ]
        is_growing = end > 0 and lines[end - 1].file == AUDIT_FILE
        self._offset = lines[end - 1].end if is_growing else 0
        self._inode = inode if is_growing or end == len(lines) else _UNKNOWN
        return given

    def _is_rewound(self, lines: list[_RawLine]) -> bool:
        """Whether the log should still hold the last line that was given, and does not."""
        if self.head == Head():
            return False
        numbers = [seq for each in lines for seq in _seq_of(each.data)]
        return not numbers or min(numbers) <= self.head.seq

    def _take(self, data: bytes, *, is_begin: bool = False) -> list[FedLine]:
        """Give a line; one that is damaged, or does not fit to the one before it, is counted and told."""
        if not is_begin and not self._fits(data):
            self._counters.add(DAMAGED)
            _log.error("audit log is damaged", after=str(self.head), todo="edge-agent audit verify")
        try:
            line = AuditLine.from_bytes(data)
        except ValueError:
            return []
        fed = FedLine(line, hash_of(data))
        self.head = fed.head
        return [fed]

    def _fits(self, data: bytes) -> bool:
        try:
            line = AuditLine.from_bytes(data)
        except ValueError:
            return False
        return (line.seq, line.before) == (self.head.seq + 1, self.head.hash)


@dataclass(frozen=True, slots=True)
class _RawLine:
    """Bytes of a line, the file it lies in, and where in it it ends."""

    file: str
    end: int
    data: bytes


def _lines_since(folder: Path, seq: int) -> Iterator[_RawLine]:
    """The whole lines of the files that hold line ``seq`` and what came after it, or of all files."""
    files = parts(folder)
    begins = [n for n, path in enumerate(files) if 0 <= first_of(path) <= seq]
    for path in files[max(begins, default=0) :]:
        end = 0
        for data in read_part(path).split(b"\n")[:-1]:
            end += len(data) + 1
            yield _RawLine(path.name, end, data)


def _seq_of(data: bytes) -> list[int]:
    """Number of a line; empty for a damaged one."""
    with suppress(ValueError):
        return [AuditLine.from_bytes(data).seq]
    return []


def _inode_of(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.lstat().st_ino
    return _UNKNOWN


def read_position(path: Path) -> Head:
    """The position on disk; the beginning where there is none, or a damaged one: better twice than never."""
    try:
        return Head.parse(read_part(path, cap=_SENT_CAP).decode("ascii"))
    except (OSError, ValueError):
        return Head()
