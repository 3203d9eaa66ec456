"""The digest of the bundle in the folder of a version, which names it in all that agents say."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from edge_agent.bundle_files import BUNDLE_SUFFIX

UNSIGNED: Final = ""
"""Digest of a version that nobody has signed: there is no bundle yet."""

_KEPT = 64


def digest_in(folder: Path) -> str:
    """The sha256 of the bundle in a folder; ``UNSIGNED`` where there is none.

    Raises:
        OSError: It cannot be read.
    """
    for path in sorted(folder.glob(f"*{BUNDLE_SUFFIX}")):
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    return UNSIGNED


@lru_cache(maxsize=_KEPT)
def _digest(path: Path, changed_ns: int, n_byte: int) -> str:
    del changed_ns, n_byte
    return hashlib.sha256(path.read_bytes()).hexdigest()
