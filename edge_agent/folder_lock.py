"""The lock on a state folder: two agents must not write to one."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from edge_agent.errors import ConfigError


class FolderLock:
    """A lock that the kernel releases when it is closed, or with the process, however that ends.

    It is on the folder itself: it needs no file, so it works on a disk that is full or read-only.

    Args:
        folder: The state folder.

    Raises:
        ConfigError: Another process has it, or it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigError(
                f"agent.state_dir: expected a folder that can be opened, got {folder}: {error.strerror}; choose another"
            ) from error
        self.close = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise ConfigError(
                f"agent.state_dir: expected a folder of this agent alone, got {folder}, which another one uses; "
                "stop that one, or give each its own"
            ) from error
