"""Passwords as they are kept: scrypt (RFC 7914) with a salt of their own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
_MEMORY_BYTES: Final = 64 * 1024 * 1024
_FORM: Final = "scrypt"


def hash_password(password: bytes) -> str:
    """``scrypt$N$r$p$salt$key`` with hexadecimal salt and key."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_FORM}${_N}${_R}${_P}${salt.hex()}${_derive(password, salt, _N, _R, _P).hex()}"


def is_password(password: bytes, kept: str) -> bool:
    """Whether ``kept`` was made of this password; takes the same time whether it was or not.

    Raises:
        ValueError: ``kept`` is not of the form of ``hash_password``.
    """
    form, n, r, p, salt, key = kept.split("$")
    if form != _FORM:
        raise ValueError(f"expected {_FORM}, got {form!r}")
    found = _derive(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(key))


def _derive(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_BYTES, dklen=_KEY_BYTES)


NOBODYS: Final = f"{_FORM}${_N}${_R}${_P}${'00' * _SALT_BYTES}${'00' * _KEY_BYTES}"
"""Held against the password of somebody who is not known: the answer takes as long, and is no."""
