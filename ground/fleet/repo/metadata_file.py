"""Metadata of roles in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from ground.errors import RepositoryError

FILE_CAP: Final = 4 * 1024 * 1024
"""Longest file read, in bytes; agents read less (``rehearsal.TARGETS_CAP``), staged files are written with spaces."""


def read_metadata(path: Path) -> Metadata[Any]:
    """Read a role's metadata; its signatures are not checked here.

    Raises:
        RepositoryError: Missing, too long, or no metadata.
    """
    try:
        with path.open("rb") as stream:
            return parse_metadata(stream.read(FILE_CAP + 1), path)
    except OSError as error:
        raise RepositoryError(f"{path}: expected metadata, got {error.strerror}; check the repository") from error


def parse_metadata(data: bytes, where: Path) -> Metadata[Any]:
    """Parse metadata; see ``read_metadata``."""
    if len(data) > FILE_CAP:
        raise RepositoryError(f"{where}: expected at most {FILE_CAP} bytes, got more; withdraw old offers")
    try:
        return Metadata.from_bytes(data)
    except (DeserializationError, RecursionError) as error:
        raise RepositoryError(
            f"{where}: expected TUF metadata, got {error.__cause__ or error}; take a sound copy of the file"
        ) from error


def legible(metadata: Metadata[Any]) -> bytes:
    """Metadata with a line a field: whoever signs can read it."""
    return JSONSerializer(compact=False).serialize(metadata) + b"\n"
