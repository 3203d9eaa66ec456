"""Memory: the C library's heap, where it is glibc's, and what Python's garbage collector need not look at."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_ARENA_MAX: Final = -8
"""M_ARENA_MAX of mallopt(3)."""

_libc = ctypes.CDLL(None)


def use_one_heap() -> None:
    """Have threads that are started from now on share one heap.

    By default each gets its own, and the holes that one thread leaves are of no use to the others: 2 MiB after twenty
    swaps. Threads that hold the interpreter by turns do not wait for each other here either.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Return free pages to the machine (malloc_trim(3)); other threads run meanwhile."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def freeze() -> None:
    """Take all that was loaded, which stays for good, out of the garbage collector's sight.

    A full collection walks everything it sees: 20 ms without this, in the middle of whatever frame is in hand.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
