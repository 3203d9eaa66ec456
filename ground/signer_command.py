"""Signing by an external command: for keys that only another program can use."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from ground.errors import SigningError

TIMEOUT_S: Final = 120.0
"""Long enough for a person who looks for the token and types its PIN."""
_ANSWER_CAP = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSigner:
    """A command that reads what is to be signed from its standard input and writes a signature in DER to its output.

    Its error output and its terminal are the caller's, so that it can ask for a PIN.

    Attributes:
        command: Program and arguments, in the words of a shell; no shell runs it.
        key: Public half of the key that it signs with.
        takes_digest: Whether it wants the 32 bytes of the SHA-256 digest and not the message.
        timeout_s: It is ended after so long.
    """

    command: str
    key: ec.EllipticCurvePublicKey
    takes_digest: bool = False
    timeout_s: float = TIMEOUT_S

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See ``Signer``."""
        return self.key

    def sign_message(self, message: bytes) -> bytes:
        """See ``Signer``."""
        words = self._words()
        given = hashlib.sha256(message).digest() if self.takes_digest else message
        try:
            done = subprocess.run(words, input=given, stdout=subprocess.PIPE, timeout=self.timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise SigningError(
                f"signer {words[0]}: expected an answer within {self.timeout_s:g} s, got none; try it by hand"
            ) from error
        except OSError as error:
            raise SigningError(
                f"signer {words[0]}: expected a command that can be run, got {error.strerror}; check --signer-command"
            ) from error
        if done.returncode != 0:
            raise SigningError(
                f"signer {words[0]}: expected exit code 0, got {done.returncode}; see what it said, and try it by hand"
            )
        if not 0 < len(done.stdout) <= _ANSWER_CAP:
            raise SigningError(
                f"signer {words[0]}: expected a signature in DER on its standard output, got {len(done.stdout)} bytes; "
                "let it write the signature and nothing else"
            )
        return done.stdout

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise SigningError(f"--signer-command: expected words of a shell, got {error}; close the quotes") from error
        if not words:
            raise SigningError("--signer-command: expected a program and its arguments, got nothing; give them")
        return words
