"""The bundle in the folder of a version, and its digest, which names it in all that agents say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from edge_agent.bundle_files import BUNDLE_SUFFIX

UNSIGNED: Final = ""
"""Digest of a version that nobody has signed: there is no bundle yet."""

_known: dict[Path, tuple[int, int, str]] = {}
"""By path: when it was changed, its length, its digest. It has an entry a bundle, however many there are."""


def bundle_in(folder: Path) -> tuple[Path, ...]:
    """The bundle in a folder; nothing where there is none."""
    return tuple(sorted(folder.glob(f"*{BUNDLE_SUFFIX}"))[:1])


def digest_in(folder: Path) -> str:
    """The sha256 of the bundle in a folder; ``UNSIGNED`` where there is none.

    Raises:
        OSError: It cannot be read.
    """
    for path in bundle_in(folder):
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if path not in _known or _known[path][:2] != stamp:
            _known[path] = (*stamp, hashlib.sha256(path.read_bytes()).hexdigest())
        return _known[path][2]
    return UNSIGNED
