"""Bundles on disk: one ``.bundle`` file, or a folder of its unpacked members.

Each file is opened once, without following a link, and read whole into memory; nothing is opened again after its bytes
were verified.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge_agent.archive import check_member
from edge_agent.errors import BundleFormatError
from edge_agent.layout import BUNDLE_CAP, MEMBER_CAPS

BUNDLE_SUFFIX = ".bundle"
COMPANIONS = frozenset({"thresholds.yaml", "mlbom.cdx.json"})
"""Files beside the members in a release folder, for people; they are never read here, no more than ``*.bundle`` is."""

_FOLDERS = frozenset(name.rpartition("/")[0] for name in MEMBER_CAPS)


def read_bundle_file(path: Path) -> bytes:
    """Read a ``.bundle`` file.

    Raises:
        BundleFormatError: ``unreadable``, ``not_a_file`` or ``bundle_size``.
    """
    return _read_file(path, cap=BUNDLE_CAP, reason="bundle_size")


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the unpacked members of a bundle.

    Args:
        folder: Holds the members, ``bundle.sig`` among them, and at most the companions of a release.

    Returns:
        Content by member name. Which members are missing, and every other rule, is for ``open_members`` to say.

    Raises:
        BundleFormatError: ``unreadable``, ``not_a_file``, ``member_size``, ``unsafe_name`` or ``unexpected_member``.
    """
    names = [name for name in _list(folder, "") if not _is_companion(name)]
    members: dict[str, bytes] = {}
    for name in names:
        check_member(name, size=0)
        members[name] = _read_file(folder / name, cap=MEMBER_CAPS[name], reason="member_size")
    return members


def _list(folder: Path, prefix: str) -> list[str]:
    names: list[str] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for entry in entries:
        name = prefix + entry.name
        if name in _FOLDERS and entry.is_dir(follow_symlinks=False):
            names += _list(folder / entry.name, f"{name}/")
        else:
            names.append(name)
    return names


def _is_companion(name: str) -> bool:
    return name in COMPANIONS or ("/" not in name and name.endswith(BUNDLE_SUFFIX))


def _read_file(path: Path, *, cap: int, reason: str) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise BundleFormatError(
                    "not_a_file", f"{path}: expected a regular file of one name, got another kind; copy the file itself"
                )
            data = stream.read(cap + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > cap:
        raise BundleFormatError(reason, f"{path}: expected at most {cap} bytes, got more; do not use this file")
    return data


def _unreadable(path: Path, error: OSError) -> BundleFormatError:
    return BundleFormatError(
        "unreadable", f"{path}: expected a readable file or folder, got {error.strerror}; check the path"
    )
