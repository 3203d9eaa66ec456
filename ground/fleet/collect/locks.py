"""Locks of a dataset: of a spool or a compaction as a whole, and of one partition while its files change places."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.errors import ConfigError as LockedError
from edge_agent.folder_lock import FolderLock
from ground.errors import ConfigError


def lock_alone(folder: Path, *, where: str, action: str) -> FolderLock:
    """Lock a folder against every other process that does so.

    Args:
        folder: The folder.
        where: The option to blame.
        action: What to do instead.

    Raises:
        ConfigError: Another process has it, or it cannot be opened.
    """
    try:
        return FolderLock(folder)
    except LockedError as error:
        if isinstance(error.__cause__, BlockingIOError):
            raise ConfigError(
                f"{where}: expected a folder of its own, got {folder}, which another one uses; {action}"
            ) from error
        reason = error.__cause__
        raise ConfigError(
            f"{where}: expected a folder that can be opened, got {folder}: {reason}; correct it"
        ) from error


@contextmanager
def locked_partition(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait for a partition: any number add files to it at once, or one makes few of many.

    Without it, a collector that does a batch again after a kill could replace a file between the moment in which it is
    read and that in which it is removed.

    Raises:
        OSError: The folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
