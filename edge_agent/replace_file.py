"""Replace a file so that a reader sees the old content or the new, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o640
PUBLIC = 0o644


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Write ``content`` beside ``path`` and rename it over.

    Args:
        path: The file; its folder must be there.
        content: All of it.
        mode: Its permissions, whatever the umask.

    Raises:
        OSError: The disk refuses.
    """
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def give_to_owner(target: Path | int, folder: Path) -> None:
    """What root writes belongs to the folder's owner: the agent has to read and replace it.

    Raises:
        OSError: The disk refuses.
    """
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
