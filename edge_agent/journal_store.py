"""The journal's store: segments of each grade in one folder, within a quota. Used by one thread; knows no clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from edge_agent.journal_segment import BLOCK_BYTES, Segment, sync_folder
from edge_agent.publication import Grade, Publication

_LARGEST_SEGMENT_BYTES = 256 * 1024
"""Reading one takes a millisecond, in which the worker may have to wait for the interpreter."""
_SEGMENTS = 16
"""At least so many segments share the quota: what goes at once is no more than such a part of it."""
_OVERHEAD_BYTES = 64
"""What a record holds at most beside topic and payload."""
_STRETCH_S = 0.003
_PAUSE_S = 0.001
"""A pause after each such stretch of reading at the start: the worker's turn."""
_FROM_WORST = tuple(Grade)
_FROM_BEST = tuple(reversed(Grade))


@dataclass(frozen=True, slots=True, order=True)
class RecordId:
    """Names a record of the journal."""

    grade: Grade
    number: int


class JournalStore:
    """What is kept on disk until it has arrived.

    Args:
        folder: Its folder; made when there is something to write.
        max_bytes: Most bytes that it holds.

    Attributes:
        written_bytes: Bytes of the blocks that this process has had written.
        dropped: Records deleted for want of room before they were read, by grade.
        spoiled: Records that were found damaged, between others, when the store was opened.
        torn: Ends of files that a kill or a power cut has torn: nothing is wrong with the disk.
        unreadable: Segments that could not be read.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self.segment_bytes = min(_LARGEST_SEGMENT_BYTES, max_bytes // _SEGMENTS)
        self._segments: dict[Grade, list[Segment]] = {grade: [] for grade in Grade}
        self._next = dict.fromkeys(Grade, 1)
        self._read_to = dict.fromkeys(Grade, 0)
        self._open: set[Segment] = set()
        self.written_bytes = self.spoiled = self.torn = self.unreadable = 0
        self.dropped: Counter[Grade] = Counter()

    @property
    def size_bytes(self) -> int:
        """Bytes of the blocks of all files."""
        return sum(segment.size_bytes for segments in self._segments.values() for segment in segments)

    @property
    def damaged(self) -> int:
        """Records that were found spoiled or torn when the store was opened."""
        return self.spoiled + self.torn

    def waiting(self, grade: Grade) -> int:
        """Records of a grade that have not arrived."""
        return sum(segment.waiting for segment in self._segments[grade])

    def open(self) -> None:
        """Read what an earlier process left; new records get numbers above all there.

        Raises:
            OSError: The folder cannot be read.
        """
        with suppress(OSError):
            Segment.remove_orphans(self._folder)
        since_s = time.monotonic()
        for segment in Segment.find(self._folder):
            if time.monotonic() - since_s > _STRETCH_S:
                time.sleep(_PAUSE_S)
                since_s = time.monotonic()
            self._next[segment.grade] = max(self._next[segment.grade], segment.first + 1)
            try:
                segment.load()
            except OSError:
                # One bad block must not hide the other segments; this one is left for people to look at.
                self.unreadable += 1
                continue
            self.torn += int(segment.torn_bytes > 0)
            self.spoiled += segment.damaged
            self._segments[segment.grade].append(segment)
            self._next[segment.grade] = max(self._next[segment.grade], segment.last + 1)
        self._delete_arrived()

    def write(self, grade: Grade, publications: Sequence[Publication]) -> Sequence[RecordId]:
        """Write publications of one grade, in one go, and wait for the disk.

        Returns:
            Their records, in their order; none at all where the quota has no room for them, as better ones fill it.

        Raises:
            OSError: The disk refuses; none of them is kept.
        """
        n_bytes = sum(len(each.topic) + len(each.payload) + _OVERHEAD_BYTES for each in publications)
        if not self._make_room(n_bytes + BLOCK_BYTES, grade):
            return ()
        segment = self._segment_for(grade)
        records = segment.encode(publications)
        first, before = segment.last + 1, segment.written_bytes
        # A number is never given twice, nor is a file's name, whatever becomes of the bytes.
        self._next[grade] = first + len(records)
        try:
            segment.append(records)
        except OSError:
            self._give_up(segment)
            raise
        self.written_bytes += segment.written_bytes - before
        return [RecordId(grade, number) for number in range(first, first + len(records))]

    def acknowledge(self, records: Iterable[RecordId]) -> None:
        """Note that records have arrived, and delete the segments that have nothing else.

        Raises:
            OSError: The disk refuses; after a restart some may be sent again.
        """
        errors: list[OSError] = []
        for grade, group in groupby(sorted(records), key=lambda record: record.grade):
            numbers = [record.number for record in group]
            for segment in self._segments[grade]:
                if segment.last < numbers[0] or segment.first > numbers[-1]:
                    continue
                before = segment.written_bytes
                try:
                    segment.note_arrived(numbers)
                except OSError as error:
                    errors.append(error)
                self.written_bytes += segment.written_bytes - before
        self._delete_arrived()
        if errors:
            raise errors[0]

    def read(self, n: int, max_bytes: int, held: Collection[RecordId]) -> list[tuple[RecordId, Publication]]:
        """The next records to send: best grade first, oldest first; each is given once in a process.

        Args:
            n: At most so many.
            max_bytes: No more after so many bytes of payload.
            held: Leave these out: they are on their way already.

        Raises:
            OSError: A segment cannot be read; it is passed over from now on.
        """
        found: list[tuple[RecordId, Publication]] = []
        for grade in _FROM_BEST:
            held_numbers = {record.number for record in held if record.grade == grade}
            for number, publication in self._unread(grade, held_numbers):
                if len(found) >= n or max_bytes <= 0:
                    return found
                found.append((RecordId(grade, number), publication))
                self._read_to[grade] = number + 1
                max_bytes -= len(publication.payload)
        return found

    def _unread(self, grade: Grade, held: set[int]) -> Iterator[tuple[int, Publication]]:
        for segment in list(self._segments[grade]):
            if segment.last < self._read_to[grade]:
                continue
            try:
                yield from segment.read(since=self._read_to[grade], leave_out=held)
            except OSError:
                self._forget(segment)
                self.unreadable += 1
            self._read_to[grade] = segment.last + 1
            segment.unload()

    def _segment_for(self, grade: Grade) -> Segment:
        """The segment of a grade to write to; one of an earlier process, whose end may be torn, is never it."""
        segments = self._segments[grade]
        if segments and segments[-1] in self._open and segments[-1].size_bytes < self.segment_bytes:
            return segments[-1]
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        segments.append(Segment.named(self._folder, grade, self._next[grade]))
        self._open.add(segments[-1])
        return segments[-1]

    def _make_room(self, n_bytes: int, grade: Grade) -> bool:
        """Delete until ``n_bytes`` fit, nothing of a better grade; whether they do."""
        if n_bytes > self._max_bytes:
            return False
        while self.size_bytes + n_bytes > self._max_bytes:
            candidates = [segment for worse in _FROM_WORST[: grade + 1] for segment in self._segments[worse]]
            if not candidates:
                return False
            # The first with nothing that waits, or else the oldest of the lowest grade.
            victim = min(candidates, key=lambda segment: segment.waiting > 0)
            n_lost = self._n_unread(victim)
            victim.delete()
            self._forget(victim)
            self.dropped[victim.grade] += n_lost
        return True

    def _n_unread(self, segment: Segment) -> int:
        since = self._read_to[segment.grade]
        if segment.first >= since or segment.last < since:
            return segment.waiting if segment.first >= since else 0
        with suppress(OSError):
            return sum(1 for _ in segment.read(since=since))
        return 0

    def _give_up(self, segment: Segment) -> None:
        """Write no more to a segment that the disk has refused."""
        self._open.discard(segment)
        if segment.last < segment.first:
            self._forget(segment)
            with suppress(OSError):
                segment.delete()

    def _forget(self, segment: Segment) -> None:
        self._segments[segment.grade].remove(segment)
        self._open.discard(segment)

    def _delete_arrived(self) -> None:
        """Delete what has arrived, except the newest of a grade, from which the next process counts on."""
        for segments in self._segments.values():
            for segment in [each for each in segments[:-1] if each.waiting == 0]:
                # What cannot be deleted now is found again: each new arrival comes by here.
                with suppress(OSError):
                    segment.delete()
                    self._forget(segment)
