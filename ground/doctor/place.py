"""The disk and the signing keys of a workspace."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_agent.finding import Finding, fail, fine, warn

_GIB: Final = 1 << 30
LEAST_FREE_GIB: Final = 8.0
"""What the tutorial asks for: it keeps the fleet of the demo, of a GiB, three times over, and the environment."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_disk(place: Path) -> Finding:
    """Whether there is room, and leave to write."""
    there = next((folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists()), Path("/"))
    if not there.is_dir():
        return fail("disk", f"{there}: expected a folder, got a file", "choose another --workspace")
    if not os.access(there, os.W_OK | os.X_OK):
        return fail("disk", f"{there}: expected leave to write, got none", "choose another --workspace, or chown it")
    free_gib = shutil.disk_usage(there).free / _GIB
    text = f"{there}: {free_gib:.1f} GiB free"
    if free_gib < LEAST_FREE_GIB:
        return warn("disk", text, f"make room: the tutorial takes up to {LEAST_FREE_GIB:g} GiB")
    return fine("disk", text)


def check_keys(workspace: Path) -> Iterator[Finding]:
    """Whether there is a key pair, and who can read its private half."""
    from ground.key_file import is_encrypted
    from ground.keys import PRIVATE_KEY, PUBLIC_KEY

    private, public = workspace / "keys" / PRIVATE_KEY, workspace / "keys" / PUBLIC_KEY
    if not private.exists():
        yield fine(
            "keys", f"no {private}: releases wait for `ground sign`; `ground keys new --out {private.parent}` makes one"
        )
        return
    mode = stat.S_IMODE(private.stat().st_mode)
    encrypted = is_encrypted(private.read_bytes())
    if mode & _OTHERS:
        judge = warn if encrypted else fail
        yield judge("keys", f"{private} has mode {mode:04o}: others can read it", f"chmod 600 {private}")
    elif not encrypted:
        yield warn(
            "keys", f"{private} has no password: whoever reads it can sign", "ground keys rotate, for anything real"
        )
    else:
        yield fine("keys", f"{private}, encrypted, its owner's alone")
    if not public.exists():
        yield fail("keys", f"{public} is not here", "bring it back: agents and `ground batch` verify with it")
