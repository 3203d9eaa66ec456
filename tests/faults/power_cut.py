"""A real ext4 whose power is cut: its blocks before and after each system call that writes, mounted as after a reboot.

The copy holds what has reached the device, and none of what only lies in the kernel's memory.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class PowerCuts:
    """An ext4 of its own, and a look at it at every moment.

    Args:
        folder: Empty; only root may mount there.

    Attributes:
        disk: The disk as it is in use.
        n: So many looks were taken.
    """

    def __init__(self, folder: Path) -> None:
        self.disk, self._rebooted = folder / "disk", folder / "rebooted"
        self._folder, self._image = folder, folder / "disk.img"
        self.n = 0
        self._is_looking = False
        for each in (self.disk, self._rebooted):
            each.mkdir()
        subprocess.run(["truncate", "-s", "8M", self._image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-b", "1024", self._image], check=True)

    @contextmanager
    def looking(self, check: Callable[[Path], None], calls: Collection[str], *, before: bool) -> Iterator[None]:
        """Hold the disk against what was promised after each of these calls of ``os``, and before them, too.

        Args:
            check: Looks at the folder of a disk after a reboot.
            calls: Names of functions.
            before: Whether to look before them as well.
        """
        with pytest.MonkeyPatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, self._with_looks(getattr(os, name), check, before=before))
            yield

    def look(self, check: Callable[[Path], None]) -> None:
        """Cut the power here, boot, and check."""
        self._is_looking = True
        # Each under a name of its own: the kernel lets go of the last one in its own time.
        copy = self._folder / f"copy{self.n}.img"
        subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
        with _mounted(copy, self._rebooted):
            check(self._rebooted)
        copy.unlink()
        self._is_looking = False
        self.n += 1

    def mounted(self) -> Any:
        """The disk in use, for as long as it lasts."""
        return _mounted(self._image, self.disk)

    def _with_looks(self, plain: Any, check: Callable[[Path], None], *, before: bool) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._is_looking:
                return plain(*arguments, **options)
            if before:
                self.look(check)
            result = plain(*arguments, **options)
            self.look(check)
            return result

        return call


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def power(tmp_path: Path) -> Iterator[PowerCuts]:
    """A disk whose power can be cut; skips where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting an image needs root")
    power = PowerCuts(tmp_path)
    try:
        with power.mounted():
            pass
    except subprocess.CalledProcessError:
        pytest.skip("no image can be mounted here")
    with power.mounted():
        yield power
