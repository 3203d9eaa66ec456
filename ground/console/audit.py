"""What people did in the console: one line each, chained by hashes as the agent's audit log is; only ever added to.

A line is canonical JSON: ``seq, utc, user, address, action, detail, before``; ``before`` is the sha256 of the line
before, so that a line that is changed or taken out shows. The last line stands in ``audit.head``, too, so that lines
that are cut off at the end show. Whoever may write the folder may write both: what must be held against them is kept
elsewhere.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from edge_agent.audit_record import Head, hash_of
from edge_agent.errors import BundleFormatError
from edge_agent.health import utc_now
from edge_agent.journal_segment import sync_folder
from edge_agent.strict_json import canonical_json, parse_json
from ground.errors import DataError
from ground.workspace import write_atomic
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

FILE: Final = "audit.log"
HEAD_FILE: Final = "audit.head"
_PRIVATE = 0o600
_LONGEST = 500
_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One line.

    Attributes:
        seq: Its number, from 0.
        utc: Wall time, ISO 8601.
        user: Who.
        address: From where; ``local`` for a command.
        action: What.
        detail: To what, and why.
        before: Hash of the line before.
    """

    seq: int
    utc: str
    user: str
    address: str
    action: str
    detail: str
    before: str


class AuditLog:
    """The audit log of one console; several processes may add to it.

    Args:
        folder: Of the console; it must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._head_path = folder / HEAD_FILE

    @contextmanager
    def noting(self, *, user: str, address: str, action: str, subject: str, detail: str = "") -> Iterator[None]:
        """Note a deed, then do it in the block; one that fails is noted as refused, with why.

        Args:
            user: Who.
            address: From where.
            action: What.
            subject: To what.
            detail: With which words; may be empty.

        Raises:
            DataError: As ``note``: the block was not begun.
            OSError: Likewise.
        """
        told = f"{subject}: {detail}" if detail else subject
        self.note(user=user, address=address, action=action, detail=told)
        try:
            yield
        except Exception as error:
            self.note(user=user, address=address, action=f"{action} refused", detail=f"{subject}: {error}")
            raise

    def note(self, *, user: str, address: str, action: str, detail: str = "") -> None:
        """Add a line, and wait until it is on disk.

        Raises:
            DataError: The log's last line is none, or not the one that was noted last.
            OSError: The disk refuses: what was to be noted must not be done.
        """
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            head = self._head(stream.fileno())
            self._check_end(head, self._noted())
            deed = Deed(
                seq=head.seq + 1, utc=utc_now(), user=_printable(user), address=_printable(address),
                action=_printable(action), detail=_printable(detail), before=head.hash,
            )  # fmt: skip
            content = canonical_json(asdict(deed))
            stream.write(content + b"\n")
            os.fsync(stream.fileno())
            # Afterwards: after a power cut between the two the log is ahead, never behind.
            write_atomic(self._head_path, f"{Head(deed.seq, hash_of(content))}\n".encode())
        if is_new:
            sync_folder(self._path.parent)

    def deeds(self) -> Iterator[Deed]:
        """The lines, oldest first.

        Raises:
            DataError: A line is damaged, changed or missing; those before it were given.
            OSError: The log cannot be read.
        """
        noted, head = self._noted(), Head()
        for content in self._lines():
            deed = self._deed(content, head.seq + 1)
            if (deed.seq, deed.before) != (head.seq + 1, head.hash):
                raise DataError(
                    f"{self._path}: line {head.seq + 2}: expected it to follow the one before, got another one; "
                    "somebody has changed the log: keep it, and find out who"
                )
            head = Head(deed.seq, hash_of(content))
            if head.seq == noted.seq:
                self._check_end(head, noted)
            yield deed
        self._check_end(head, noted)

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as stream:
                yield from (line.removesuffix(b"\n") for line in stream)
        except FileNotFoundError:
            return

    def _noted(self) -> Head:
        """The line that was noted last; none where nothing was yet."""
        try:
            return Head.parse(self._head_path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return Head()
        except ValueError as error:
            raise DataError(f"{self._head_path}: {error}; keep it, and move it and {FILE} away") from error

    def _check_end(self, head: Head, noted: Head) -> None:
        """Compare the last line with the one that was noted last; lines after that are those of a power cut."""
        if head.seq < noted.seq or (head.seq == noted.seq and head.hash != noted.hash):
            raise DataError(
                f"{self._path}: expected line {noted.seq + 1} as it is noted in {HEAD_FILE}, got another one or none; "
                "somebody has changed the log or cut it off: move both files away, keep them, and find out who"
            )

    def _head(self, descriptor: int) -> Head:
        """The last line; one that a power cut tore is cut off."""
        size = os.fstat(descriptor).st_size
        since = max(0, size - _TAIL_BYTES)
        tail = os.pread(descriptor, _TAIL_BYTES, since)
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            os.ftruncate(descriptor, size - len(torn))
        if not whole:
            return Head()
        last = whole.rpartition(b"\n")[2]
        return Head(self._deed(last, -1).seq, hash_of(last))

    def _deed(self, content: bytes, seq: int) -> Deed:
        where = f"line {seq + 1}" if seq >= 0 else "last line"
        try:
            return from_mapping(Deed, parse_json(content, where=where), where=where)
        except (BundleFormatError, SpecError) as error:
            raise DataError(f"{self._path}: {where}: expected a line of the audit log, got {error}; keep it") from error


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:_LONGEST])
