"""The windows of one recording in the results of a batch: read once for its page and the chart on it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ground.console.data.batches import BatchFile
from ground.console.data.timeline import Timeline, timeline_of
from ground.report.batch_results import windows_of

_KEPT = 8


def batch_timeline(batch: BatchFile, recording: str) -> Timeline:
    """The timeline of a recording; kept until the file changes.

    Raises:
        DataError: The file is damaged.
        OSError: It is gone.
    """
    facts = batch.path.stat()
    return _timeline(batch.path, facts.st_mtime_ns, facts.st_size, recording)


@lru_cache(maxsize=_KEPT)
def _timeline(path: Path, changed_ns: int, n_byte: int, recording: str) -> Timeline:
    del changed_ns, n_byte
    return timeline_of(windows_of(path, [recording]))
