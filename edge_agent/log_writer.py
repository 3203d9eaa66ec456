"""Writes log lines in a thread of its own: journald may be frozen, and an engine is watched all the same."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

MOST_WAITING: Final = 1_000
"""Lines that wait to be written; further ones are lost, and counted in the next line that is not."""
CLOSE_TIMEOUT_S: Final = 1.0

_END: Final = ""


class LogWriter:
    """A stream that never waits.

    Args:
        descriptor: Where lines go. Not a file object: a thread that is stuck in one holds its lock, and an interpreter
            that ends wants that.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Have a line written, with its line break."""
        if self._lines.qsize() < MOST_WAITING:
            self._lines.put(line)
        else:
            self._lost += 1

    def flush(self) -> None:
        """Nothing: the thread writes as soon as it can."""

    def close(self) -> None:
        """Write what waits, as far as somebody reads it within ``CLOSE_TIMEOUT_S``, and end."""
        self._lines.put(_END)
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while (line := self._lines.get()) != _END:
            self._write(line)
            if self._lost and self._lines.empty():
                lost, self._lost = self._lost, 0
                self._write(f'{{"event": "log lines lost", "level": "warning", "n": {lost}}}\n')

    def _write(self, line: str) -> None:
        # A reader that is gone, a full disk, no memory: the line is lost, and nothing else happens.
        with suppress(Exception):
            left = memoryview(line.encode(errors="backslashreplace"))
            while left:
                left = left[os.write(self._descriptor, left) :]
