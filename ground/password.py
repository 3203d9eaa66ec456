"""Passwords of signing keys and PINs of tokens: from a file, the environment, or the person at the terminal."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ground.errors import SigningError

PASSWORD_VARIABLE: Final = "GROUND_KEY_PASSWORD"  # noqa: S105 - the name of a variable
NO_FILE: Final = Path(os.devnull)
"""``PasswordSource.file`` where no file is given."""
LEAST_LENGTH: Final = 8
"""Of a password that is chosen, in characters (NIST SP 800-63B, 5.1.1.1)."""
_CAP = 4096


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where passwords come from: the file, else the environment variable, else a prompt.

    Attributes:
        file: Holds the password and nothing else but an end of line, or ``NO_FILE``.
    """

    file: Path = NO_FILE

    def ask(self, what: str) -> bytes:
        """The password of something that has one already.

        Args:
            what: Named in the prompt and in errors.

        Raises:
            SigningError: There is none: no file, no variable, and nobody at a terminal.
        """
        return self._given(what) or _typed(f"Password of {what}: ", what)

    def choose(self, what: str) -> bytes:
        """A password for something new; a person types it twice.

        Raises:
            SigningError: As ``ask``; it is short, or was typed in two ways.
        """
        password = self._given(what)
        if not password:
            password = _typed(f"New password of {what}: ", what)
            if password != _typed("The same again: ", what):
                raise SigningError(f"{what}: expected the same password twice, got two; try again")
        if len(password.decode(errors="replace")) < LEAST_LENGTH:
            raise SigningError(
                f"{what}: expected a password of {LEAST_LENGTH} characters or more, got fewer; choose one"
            )
        return password

    def _given(self, what: str) -> bytes:
        """The password that needs no person; empty where one has to be asked."""
        if self.file != NO_FILE:
            return _read(self.file)
        if PASSWORD_VARIABLE in os.environ:
            return _checked(os.environ[PASSWORD_VARIABLE], PASSWORD_VARIABLE)
        if not sys.stdin.isatty():
            raise SigningError(
                f"{what}: expected a password, got none and nobody to ask; give --password-file or set "
                f"{PASSWORD_VARIABLE}"
            )
        return b""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_CAP)
    except OSError as error:
        raise SigningError(f"{path}: expected a file with a password, got {error.strerror}; check the path") from error
    password = content.removesuffix(b"\n").removesuffix(b"\r")
    if not password or b"\n" in password:
        raise SigningError(f"{path}: expected one line with a password, got another number of lines; correct it")
    return password


def _typed(prompt: str, what: str) -> bytes:
    try:
        return _checked(getpass.getpass(prompt), what)
    except UnicodeDecodeError as error:
        raise SigningError(
            f"{what}: expected characters of the terminal's encoding, got other bytes; try again, or --password-file"
        ) from error


def _checked(text: str, where: str) -> bytes:
    if not text:
        raise SigningError(f"{where}: expected a password, got an empty text; give one")
    # As bytes of a file would be taken, also where they are no UTF-8.
    return os.fsencode(text)
