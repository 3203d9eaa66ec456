"""A bell: one thread waits for it in poll(2) among sockets, others ring it."""

from __future__ import annotations

import os
import weakref


class Bell:
    """An eventfd; rings before the first silence count once."""

    def __init__(self) -> None:
        self._number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._number)

    def fileno(self) -> int:
        """The file descriptor; readable once the bell has rung."""
        return self._number

    def ring(self) -> None:
        """Wake who waits."""
        os.eventfd_write(self._number, 1)

    def silence(self) -> None:
        """Make ready for the next ring; only after one."""
        os.eventfd_read(self._number)
