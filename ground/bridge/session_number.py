"""The number of a node's connections, ``bdSeq``: from 0, one more with each CONNECT, and on over restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_agent.replace_file import replace_file

NUMBERS: Final = 256


class SessionNumber:
    """Gives the number of the next connection.

    It is kept before it is used: a host tells a late will from that of the session that lives by this number alone.

    Args:
        path: Keeps the last one; without, each start begins at 0.
        tell: Told once of a file that cannot be read or written; numbers go on without it.
    """

    def __init__(self, path: Path | None = None, tell: Callable[[str], object] = lambda _line: None) -> None:
        self._path = path
        self._tell = tell
        self._is_told = False
        self._next = (self._kept() + 1) % NUMBERS

    def next(self) -> int:
        """The number of the connection that is about to be made, 0 to 255."""
        number, self._next = self._next, (self._next + 1) % NUMBERS
        if self._path is not None:
            try:
                replace_file(self._path, f"{number}\n".encode())
            except OSError as error:
                self._complain(f"expected a file that can be written, got {error}; make its folder, or make room")
        return number

    def _kept(self) -> int:
        """The number of the last connection; -1 where there was none."""
        if self._path is None or not self._path.exists():
            return -1
        try:
            number = int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            self._complain(f"expected a number from 0 to {NUMBERS - 1}, got {error}; it begins at 0")
            return -1
        return number % NUMBERS

    def _complain(self, text: str) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell(f"session_file: {self._path}: {text}")
