"""The windows of one recording in the results of a batch: read once for its page and the chart on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ground.console.data.batches import BatchFile
from ground.console.data.kept import Kept
from ground.console.data.timeline import Timeline, timeline_of
from ground.report.batch_results import windows_of

_MOST_KEPT: Final = 8
_kept: Final[Kept[tuple[Path, int, int, str], Timeline]] = Kept(_MOST_KEPT)


def batch_timeline(batch: BatchFile, recording: str) -> Timeline:
    """The timeline of a recording; kept until the file changes.

    Raises:
        DataError: The file is damaged.
        OSError: It is gone.
    """
    facts = batch.path.stat()
    return _kept.of(
        (batch.path, facts.st_mtime_ns, facts.st_size, recording),
        lambda: timeline_of(windows_of(batch.path, [recording])),
    )
