"""A bell: one thread waits for it in poll(2) among sockets, others ring it, and may wait until it was answered."""

from __future__ import annotations

import os
import threading
import weakref


class Bell:
    """An eventfd; rings before the first silence count once."""

    def __init__(self) -> None:
        self._number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._answered = threading.Event()
        weakref.finalize(self, os.close, self._number)

    def fileno(self) -> int:
        """The file descriptor; readable once the bell has rung."""
        return self._number

    def ring(self) -> None:
        """Wake who waits."""
        self._answered.clear()
        os.eventfd_write(self._number, 1)

    def silence(self) -> None:
        """Make ready for the next ring; only after one."""
        os.eventfd_read(self._number)

    def answer(self) -> None:
        """Say that what it was rung for is done; after ``silence``, so that a ring meanwhile is heard again."""
        self._answered.set()

    def wait_for_answer(self, timeout_s: float) -> bool:
        """Wait for the first answer since the last ring; whether it came in time."""
        return self._answered.wait(timeout_s)
