"""Passwords as they are kept: scrypt (RFC 7914) with a salt of their own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from typing import Final

COST: Final = 2**15, 8, 3
"""N, r and p: 32 MiB and a quarter of a second (OWASP Password Storage Cheat Sheet, scrypt)."""
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
_MEMORY_BYTES: Final = 64 * 1024 * 1024
_FORM: Final = "scrypt"
_FEW: Final = threading.BoundedSemaphore(2)
"""At once: whoever sends many passwords is not to take all memory."""


def hash_password(password: bytes) -> str:
    """``scrypt$N$r$p$salt$key`` with hexadecimal salt and key."""
    salt = secrets.token_bytes(_SALT_BYTES)
    n, r, p = COST
    return f"{_FORM}${n}${r}${p}${salt.hex()}${_derive(password, salt, n, r, p).hex()}"


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
    with _FEW:
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_BYTES, dklen=_KEY_BYTES)


def nobodys() -> str:
    """Held against the password of somebody who is not known: the answer takes as long, and is no."""
    n, r, p = COST
    return f"{_FORM}${n}${r}${p}${'00' * _SALT_BYTES}${'00' * _KEY_BYTES}"
