"""Shutting a process in: what it has loaded is all that it gets.

For the limited child that runs a model for the first time. Its model is signed and scanned; this is for the fault in
onnxruntime that somebody finds later.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

NOBODY: Final = 65_534


def shut_in() -> None:
    """From here on: no file, no socket, no other process, and none of root's rights.

    Everything that is needed must have been imported, for modules are files as well. Descriptors that are open stay.
    What is left to it: memory and time up to their limits, and, where the agent is not root, signals to processes of
    its own user.
    """
    if os.geteuid() == 0:
        # Some containers have no other users. The limits hold there as well, as far as they hold for root.
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    # No descriptor above the highest one: neither open() nor socket() nor pipe() has a number left to give.
    for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        resource.setrlimit(which, (0, 0))
