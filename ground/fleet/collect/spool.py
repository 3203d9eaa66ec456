"""The spool: messages on disk from the moment they are acknowledged until they are in the dataset.

A *batch* is a folder named by its first moment. It is written to, then turned into files of the dataset, and only then
renamed and removed: whatever a kill interrupts is done again from the start, into files of the same names.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from edge_agent.folder_lock import FolderLock
from edge_agent.journal_segment import Segment, sync_folder
from edge_agent.publication import Grade, Publication

_DONE: Final = ".done"
_NAME_DIGITS: Final = 20
_GRADE: Final = Grade.RESULT
"""The spool knows no grades: nothing is dropped here."""


class Spool:
    """The spool of one collector; nobody else may use it meanwhile.

    Args:
        folder: Where it lies; made where it is missing.

    Raises:
        ConfigError: Another collector uses it.
        OSError: The disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        self._folder = folder
        for path in folder.glob(f"*{_DONE}"):
            shutil.rmtree(path)
        left = sorted(path for path in folder.iterdir() if path.name.isdecimal())
        self._batch = left[-1] if left else self._new_batch()
        self._segments: list[Segment] = []
        self._next = 0
        self._begin_segment()

    @property
    def batch(self) -> str:
        """Name of the batch: nanoseconds since 1970 at which it was begun."""
        return self._batch.name

    @property
    def n(self) -> int:
        """Messages in the batch, those that an earlier run has left included."""
        return self._next

    def append(self, messages: Sequence[Publication]) -> None:
        """Write messages, and wait until they are on disk.

        Raises:
            OSError: The disk refuses; none of them may be acknowledged.
        """
        segment = self._segments[-1]
        segment.append(segment.encode(messages))
        self._next += len(messages)

    def messages(self) -> Iterator[Publication]:
        """All messages of the batch, in order.

        Raises:
            OSError: A file cannot be read.
        """
        for segment in Segment.find(self._batch):
            segment.load()
            for _, message in segment.read():
                yield message
            segment.unload()

    def end_batch(self) -> None:
        """Begin another batch: all messages of this one are in the dataset.

        Raises:
            OSError: The disk refuses; the batch is then turned into the dataset once more.
        """
        done = self._batch.with_name(self._batch.name + _DONE)
        self._batch.rename(done)
        sync_folder(self._folder)
        shutil.rmtree(done, ignore_errors=True)
        self._batch = self._new_batch()
        self._segments, self._next = [], 0
        self._begin_segment()

    def close(self) -> None:
        """Let others use it."""
        self._lock.close()

    def _new_batch(self) -> Path:
        batch = self._folder / f"{time.time_ns():0{_NAME_DIGITS}d}"
        batch.mkdir()
        sync_folder(self._folder)
        return batch

    def _begin_segment(self) -> None:
        """A segment of this process: what another one has left is only read."""
        for segment in Segment.find(self._batch):
            segment.load()
            segment.unload()
            self._next = max(self._next, segment.last + 1)
        self._segments.append(Segment.named(self._batch, _GRADE, self._next))
