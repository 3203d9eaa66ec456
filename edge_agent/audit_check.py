"""Whether the audit log is whole: every line there, in order, as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.audit_files import AUDIT_FILE, first_of, parts, read_part
from edge_agent.audit_record import FIRST, AuditLine, Head, hash_of

LINE_FORM: Final = "line_form"
SEQUENCE: Final = "sequence"
CHAIN: Final = "chain"
FILE_NAME: Final = "file_name"
FILE_UNREADABLE: Final = "file_unreadable"
BEGINNING_MISSING: Final = "beginning_missing"
HEAD_MISSING: Final = "head_missing"
HEAD_DIFFERS: Final = "head_differs"
HEAD_DROPPED: Final = "head_dropped"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong.

    Attributes:
        reason: Short label of what.
        file: Name of the file.
        line: Number of the line in the file, from 1; 0 for the file as a whole.
        text: What was expected, and what is there.
    """

    reason: str
    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A line and where it stands: its bytes, without the line feed, and whether that is there."""

    file: str
    number: int
    data: bytes
    is_whole: bool


@dataclass(slots=True)
class Check:
    """What a check came to; filled while it goes on.

    Attributes:
        lines: Lines that were found good.
        first: Number of the first one; -1 where there is none.
        head: The last one.
        torn_bytes: Bytes at the end of the growing file that a power cut tore; the next decision cuts them off.
        faults: The first fault, or none.
        hashes: Of the lines, by number.
        standing_first: What the last line says the first one is.
    """

    lines: int = 0
    first: int = -1
    head: Head = field(default_factory=Head)
    torn_bytes: int = 0
    faults: list[Fault] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    standing_first: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def places(folder: Path) -> Iterator[Place]:
    """All lines of the log in order, good or not.

    Raises:
        OSError: A file cannot be read.
    """
    for path in parts(folder):
        lines = read_part(path).split(b"\n")
        for number, data in enumerate(lines, 1):
            is_whole = number < len(lines)
            if is_whole or data:
                yield Place(path.name, number, data, is_whole)


def check_log(folder: Path, *, expected: Head = Head()) -> Check:  # noqa: B008 - it is frozen
    """Check all of the log, up to the first fault.

    Args:
        folder: The state folder.
        expected: A line that must be in it, as the ground has it from the status or from MQTT; ``Head()`` for none.
    """
    check = Check()
    try:
        for place in places(folder):
            _check_line(place, check)
            if check.faults:
                return check
    except OSError as error:
        check.faults.append(Fault(FILE_UNREADABLE, Path(error.filename or folder).name, 0, f"{error.strerror}"))
        return check
    _check_beginning(check)
    if check.is_whole and expected != Head():
        _check_head(check, expected)
    return check


def _check_line(place: Place, check: Check) -> None:
    if not place.is_whole and place.file == AUDIT_FILE:
        check.torn_bytes = len(place.data)
        return
    try:
        line = AuditLine.from_bytes(place.data if place.is_whole else b"")
    except ValueError as error:
        check.faults.append(_fault(LINE_FORM, place, f"it is not as it was written: {error}"))
        return
    check.faults += _faults_in_chain(place, line, check)
    check.lines += 1
    check.first = line.seq if check.first < 0 else check.first
    check.head = Head(line.seq, hash_of(place.data))
    check.hashes[line.seq] = check.head.hash
    check.standing_first = line.standing.first


def _faults_in_chain(place: Place, line: AuditLine, check: Check) -> Iterator[Fault]:
    """What is wrong between a line and the one before it."""
    named = first_of(Path(place.file))
    if place.number == 1 and named not in (-1, line.seq):
        yield _fault(FILE_NAME, place, f"expected line {named}, as the file is named, got {line.seq}")
    if check.first < 0:
        if line.seq == 0 and line.before != FIRST:
            yield _fault(CHAIN, place, "expected the chain to begin here, got a link to a line before it")
    elif line.seq != check.head.seq + 1:
        text = f"expected line {check.head.seq + 1}, got {line.seq}: lines are missing, exchanged or repeated"
        yield _fault(SEQUENCE, place, text)
    elif line.before != check.head.hash:
        text = f"expected it chained to line {check.head.seq}, got a link to another one: one of the two was changed"
        yield _fault(CHAIN, place, text)


def _check_beginning(check: Check) -> None:
    if check.lines and check.first > check.standing_first:
        text = f"expected line {check.standing_first} at the beginning, got {check.first}: lines before it are missing"
        check.faults.append(Fault(BEGINNING_MISSING, AUDIT_FILE, 0, text))


def _check_head(check: Check, expected: Head) -> None:
    found = check.hashes.get(expected.seq, "")
    if found == expected.hash:
        return
    if found:
        reason, text = HEAD_DIFFERS, f"expected line {expected}, got {expected.seq}:{found}: the log was written anew"
    elif expected.seq < check.first:
        reason, text = HEAD_DROPPED, f"expected line {expected.seq}, which made room for later ones; give a later head"
    else:
        reason, text = HEAD_MISSING, f"expected line {expected.seq}, got {check.head.seq} as the last one: cut short"
    check.faults.append(Fault(reason, AUDIT_FILE, 0, text))


def _fault(reason: str, place: Place, text: str) -> Fault:
    return Fault(reason, place.file, place.number, text)
