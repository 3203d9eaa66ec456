"""What a running process takes of the machine, by /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BenchmarkError

_KIB_PER_MIB = 1024
_STAT_UTIME = 11
"""Place of utime in /proc/PID/stat after the command's name, whose bracket may hold anything."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One look at a process.

    Attributes:
        at_s: Monotonic time.
        cpu_s: CPU time of all its threads since its start.
        pss_mib: Proportional set size: its own pages, and its share of those it shares.
        threads: Its threads.
        descriptors: Its open files and sockets.
    """

    at_s: float
    cpu_s: float
    pss_mib: float
    threads: int
    descriptors: int


@dataclass(slots=True)
class Watch:
    """The looks taken so far, oldest first."""

    uses: list[Use] = field(default_factory=list)

    def since(self, at_s: float) -> list[Use]:
        """The looks from a monotonic time on."""
        return [use for use in self.uses if use.at_s >= at_s]


def use_of(pid: int) -> Use:
    """Look at a process now.

    Raises:
        BenchmarkError: It is gone, or /proc does not tell.
    """
    proc = Path("/proc") / str(pid)
    try:
        stat = (proc / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        rollup = (proc / "smaps_rollup").read_text(encoding="ascii")
        descriptors = len(list((proc / "fd").iterdir()))
    except OSError as error:
        raise BenchmarkError(f"process {pid}: expected it to run, got {error.strerror}; see its log") from error
    pss_kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    ticks = int(stat[_STAT_UTIME]) + int(stat[_STAT_UTIME + 1])
    return Use(
        at_s=time.monotonic(),
        cpu_s=ticks / _TICKS_PER_S,
        pss_mib=pss_kib / _KIB_PER_MIB,
        threads=int(stat[_STAT_UTIME + 6]),
        descriptors=descriptors,
    )


@contextmanager
def watched(pid: int, interval_s: float) -> Iterator[Watch]:
    """Look at a process every ``interval_s``, in a thread, until it ends or the block does."""
    watch, stop = Watch(), threading.Event()

    def look() -> None:
        while not stop.wait(interval_s):
            try:
                watch.uses.append(use_of(pid))
            except BenchmarkError:
                return

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()
