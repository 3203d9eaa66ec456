"""A small ext4 disk of its own for a benchmark, whose device counts every byte that is written to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "256M"
_SECTOR_BYTES = 512
_SECTORS_WRITTEN = 6


@contextmanager
def counted_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], int]]]:
    """A folder to write to, and the bytes written so far: its own ext4 for root, or else what the kernel charges us.

    The device's count holds what the file system adds: its journal, inodes, folders. The kernel's charge to the process
    holds none of it.
    """
    if os.geteuid() != 0:
        yield folder, _charged_bytes
        return
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    subprocess.run(["truncate", "-s", _SIZE, image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, mounted], check=True)
    try:
        yield mounted, lambda: _device_bytes(mounted)
    finally:
        subprocess.run(["umount", "-l", mounted], check=True)


def _charged_bytes() -> int:
    os.sync()
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def _device_bytes(mounted: Path) -> int:
    subprocess.run(["sync", "-f", mounted], check=True)
    device = mounted.stat().st_dev
    fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    return int(fields[_SECTORS_WRITTEN]) * _SECTOR_BYTES
