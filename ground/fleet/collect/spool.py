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

from edge_agent.journal_segment import Segment, sync_folder
from edge_agent.publication import Grade, Publication
from ground.fleet.collect.locks import lock_alone

_DONE: Final = ".done"
_DAMAGED: Final = ".damaged"
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
        self._lock = lock_alone(folder, where="--name", action="give each collector its own")
        self._folder = folder
        for path in folder.glob(f"*{_DONE}"):
            shutil.rmtree(path)
        self._next = self._n_bytes = self._n_damaged = 0
        self._begin_batch()

    @property
    def batch(self) -> str:
        """Name of the batch: nanoseconds since 1970 at which it was begun."""
        return self._batch.name

    @property
    def n(self) -> int:
        """Messages in the batch, those that an earlier run has left included."""
        return self._next

    @property
    def n_bytes(self) -> int:
        """Bytes of the batch on disk, about what its messages take in memory."""
        return self._n_bytes

    @property
    def n_damaged(self) -> int:
        """Messages of the batch that are damaged on disk; known once ``messages`` has come to its end."""
        return self._n_damaged

    def append(self, messages: Sequence[Publication]) -> None:
        """Write messages, and wait until they are on disk.

        Raises:
            OSError: The disk refuses; none of them may be acknowledged.
        """
        records = self._segment.encode(messages)
        self._segment.append(records)
        self._next += len(messages)
        self._n_bytes += sum(map(len, records))

    def messages(self) -> Iterator[Publication]:
        """All messages of the batch, in order, but those that are damaged on disk.

        Raises:
            OSError: A file cannot be read.
        """
        n = 0
        for segment in Segment.find(self._batch):
            segment.load()
            for _, message in segment.read():
                n += 1
                yield message
            segment.unload()
        self._n_damaged = self._next - n

    def end_batch(self) -> None:
        """Begin another batch: all messages of this one are in the dataset. One with damage is kept as ``*.damaged``.

        Raises:
            OSError: The disk refuses; the batch is then turned into the dataset once more.
        """
        done = self._batch.with_name(self._batch.name + (_DAMAGED if self._n_damaged else _DONE))
        self._batch.rename(done)
        sync_folder(self._folder)
        if not self._n_damaged:
            shutil.rmtree(done, ignore_errors=True)
        self._begin_batch()

    def close(self) -> None:
        """Let others use it."""
        self._lock.close()

    def _begin_batch(self) -> None:
        """Go on with a batch that was left, the oldest first; a new one where there is none."""
        left = sorted(path for path in self._folder.iterdir() if path.name.isdecimal())
        self._batch = left[0] if left else self._new_batch()
        self._next = self._n_bytes = self._n_damaged = 0
        self._segment = self._new_segment()

    def _new_batch(self) -> Path:
        batch = self._folder / f"{time.time_ns():0{_NAME_DIGITS}d}"
        batch.mkdir()
        sync_folder(self._folder)
        return batch

    def _new_segment(self) -> Segment:
        """A segment of this process: what another one has left is only read."""
        for segment in Segment.find(self._batch):
            segment.load()
            segment.unload()
            self._next = max(self._next, segment.last + 1)
            self._n_bytes += segment.path.stat().st_size
        return Segment.named(self._batch, _GRADE, self._next)
