"""How far the wall clock can be believed."""

from __future__ import annotations

import ctypes
import time
from typing import Final

SYNCHRONISED: Final = "synchronised"
UNSYNCHRONISED: Final = "unsynchronised"
UNKNOWN: Final = "unknown"

_TIME_ERROR = 5
_MADE_S = 1_767_225_600.0
"""2026-01-01: a clock that shows an earlier time is wrong, whatever the kernel believes of it."""
_TIMEX_BYTES = 512
"""More than struct timex takes on any Linux; all zeros asks and changes nothing."""

_libc = ctypes.CDLL(None)


def clock_quality() -> str:
    """Whether the kernel's clock is synchronised, by adjtimex(2).

    The kernel knows it of every time daemon, and forgets it some hours after the last correction (its error bound
    grows past 16 s). A box without a battery starts in 1970, and a kernel that was told nothing may believe it. Costs
    about a microsecond.

    Returns:
        ``synchronised``, ``unsynchronised``, or ``unknown`` where the system call is not allowed.
    """
    state = _libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if time.time() < _MADE_S:
        return UNSYNCHRONISED
    if state < 0:
        return UNKNOWN
    return UNSYNCHRONISED if state == _TIME_ERROR else SYNCHRONISED
