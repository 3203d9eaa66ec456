"""Temporary folders that outlive no program: what a killed one left is removed by the next of the same user."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from edge_agent.errors import ConfigError
from edge_agent.folder_lock import FolderLock

PREFIX = "enginear-recording-"
_YOUNG_S = 60.0
"""So long after it was made, a folder is surely locked by whoever made it, if that still lives."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this machine, for as long as the block runs.

    Raises:
        OSError: The disk refuses.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder = tempfile.TemporaryDirectory(prefix=PREFIX)
    lock = FolderLock(Path(folder.name))
    try:
        yield Path(folder.name)
    finally:
        folder.cleanup()
        lock.close()


@cache
def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, ConfigError):
            if time.time() - folder.lstat().st_mtime > _YOUNG_S and not folder.is_symlink():
                lock = FolderLock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
