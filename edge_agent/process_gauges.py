"""What this process takes of the machine, out of /proc."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SELF = Path("/proc/self")
_KIB: Final = 1024
_MEMORY_LINES: Final = {"Rss": "rss", "Pss": "pss"}
_STARTED_S = time.monotonic()

UNKNOWN_BYTES: Final = -1
"""Where the kernel does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessGauges:
    """What the process takes at one moment.

    Attributes:
        rss_bytes: Resident memory, shared pages in full.
        pss_bytes: Resident memory, each shared page divided by the processes that share it.
        cpu_s: Processor time since the start, user and system.
        threads: Threads.
        open_fds: Open descriptors.
        uptime_s: Seconds since the agent was loaded.
        state_dir_free_bytes: What is free for this user on the disk of the state folder.
    """

    rss_bytes: int = UNKNOWN_BYTES
    pss_bytes: int = UNKNOWN_BYTES
    cpu_s: float = 0.0
    threads: int = 0
    open_fds: int = 0
    uptime_s: float = 0.0
    state_dir_free_bytes: int = UNKNOWN_BYTES


def read_process(state_dir: Path) -> ProcessGauges:
    """Read the gauges; costs about a millisecond, most of it the kernel's walk over all pages for the PSS.

    Asked for at each report and never by the worker: the walk holds the lock of the address space.
    """
    memory = _memory_bytes()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return ProcessGauges(
        rss_bytes=memory.get("rss", UNKNOWN_BYTES),
        pss_bytes=memory.get("pss", UNKNOWN_BYTES),
        cpu_s=round(used.ru_utime + used.ru_stime, 3),
        threads=_count(_SELF / "task"),
        # The listing itself holds one.
        open_fds=max(0, _count(_SELF / "fd") - 1),
        uptime_s=round(time.monotonic() - _STARTED_S, 3),
        state_dir_free_bytes=free_bytes(state_dir),
    )


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of ``folder`` for this user; ``UNKNOWN_BYTES`` where the folder is not there."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return UNKNOWN_BYTES
    return disk.f_bavail * disk.f_frsize


def _memory_bytes() -> dict[str, int]:
    sizes: dict[str, int] = {}
    # Not every kernel has the file, and a sandbox may hide it.
    with suppress(OSError):
        for line in (_SELF / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
            name, _, size = line.partition(":")
            if name in _MEMORY_LINES:
                sizes[_MEMORY_LINES[name]] = int(size.split()[0]) * _KIB
    return sizes


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - half the time of Path.iterdir
    except OSError:
        return 0
