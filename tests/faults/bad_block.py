"""A disk with a bad block: the file can be opened, and a read of it fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


def under(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let every read of a file that lies there now fail, as long as the patch stands."""
    read_before, bad = os.read, path.stat()

    def read(descriptor: int, length: int) -> bytes:
        if os.path.samestat(os.fstat(descriptor), bad):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_before(descriptor, length)

    patch.setattr(os, "read", read)
