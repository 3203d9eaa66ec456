"""Kills a process just before one of its file operations in a folder.

``python -m tests.faults.kill_at NUMBER FOLDER -m MODULE ARGUMENT...``. By -m, so that MODULE is the one of this tree.
Operations are what Python's audit events tell (open, rename, remove, mkdir, rmdir, chmod, chown), writes and syncs,
counted from 1 in the order of the process.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "fcntl.flock"})
_UNHEARD = ("write", "fsync", "fdatasync")
"""Calls that Python tells no audit hook of."""


class Trap:
    """Counts the operations of this process, and kills it before one of them.

    Args:
        number: Before which, counted from 1.
        folder: Only what lies in it counts, and itself.
    """

    def __init__(self, number: int, folder: Path) -> None:
        self._left = number
        self._folder = str(folder)
        sys.addaudithook(self._hear)
        for name in _UNHEARD:
            setattr(os, name, self._counted(getattr(os, name)))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            self._count(arguments[0])

    def _counted(self, plain: Any) -> Any:
        def call(descriptor: int, *rest: Any) -> Any:
            self._count(descriptor)
            return plain(descriptor, *rest)

        return call

    def _count(self, where: Any) -> None:
        path = _path_of(where)
        if path == self._folder or path.startswith(f"{self._folder}/"):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _path_of(where: Any) -> str:
    if not isinstance(where, int):
        return os.fsdecode(where) if isinstance(where, (str, bytes, os.PathLike)) else ""
    try:
        return os.readlink(f"/proc/self/fd/{where}")  # noqa: PTH115 - pathlib would be heard itself
    except OSError:
        return ""


if __name__ == "__main__":
    number, folder, _, module = sys.argv[1:5]
    sys.argv = [module, *sys.argv[5:]]
    Trap(int(number), Path(folder))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
