"""How many processes may work side by side on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

_CGROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_VERSION_2 = "0::"
_UNLIMITED = "max"


def available_cores() -> int:
    """The cores that this process may use: those it may run on, within the quota of its container or slice."""
    return max(1, min(len(os.sched_getaffinity(0)), *_quotas(_CGROUP, _GROUPS)))


def _quotas(cgroup: Path, groups: Path) -> list[int]:
    """Whole cores of each group of version 2 that this process is in, from its own to the root."""
    try:
        lines = cgroup.read_text(encoding="utf-8").splitlines()
    except OSError:
        return [os.cpu_count() or 1]
    own = next((line.removeprefix(_VERSION_2) for line in lines if line.startswith(_VERSION_2)), "/")
    folder = groups / own.strip("/")
    return [_quota(each / "cpu.max") for each in (folder, *folder.parents) if each.is_relative_to(groups)]


def _quota(path: Path) -> int:
    none = os.cpu_count() or 1
    try:
        most, period = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return none
    return none if most == _UNLIMITED else max(1, math.ceil(int(most) / int(period)))


CORES: Final = available_cores()
"""At the start of this process."""
