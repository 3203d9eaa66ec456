"""Private keys as files: PKCS#8 in PEM, encrypted with a password or said to be unencrypted."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from ground.errors import SigningError

UNENCRYPTED: Final = b""
"""Password of a key that has none."""
ITERATIONS: Final = 600_000
"""Of PBKDF2 with HMAC-SHA-256 (OWASP Password Storage Cheat Sheet, 2023). ``cryptography`` writes 2048 of them and
takes no other number, so the envelope around the ciphertext is written here; it and OpenSSL read it."""
_ENCRYPTED_MARK = b"ENCRYPTED"
_PRIVATE_MARK = b"PRIVATE"
_OTHERS = stat.S_IROTH | stat.S_IWOTH

_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04
_NULL = bytes.fromhex("0500")
# Object identifiers in DER: RFC 8018 (PBES2, PBKDF2, HMAC with SHA-256) and NIST's AES-256 in CBC mode.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209")
_AES256_CBC = bytes.fromhex("060960864801650304012a")


def write_private_key(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey, password: bytes) -> None:
    """Write a private key that only its owner may read; never over another file.

    Args:
        path: The file; its folder must be there.
        key: The key.
        password: Encrypts it, or ``UNENCRYPTED``.

    Raises:
        OSError: The file exists, or the disk refuses.
    """
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = _encrypted_pem(plain, password) if password else _pem("PRIVATE KEY", plain)
    # Created with its mode and never over another file: at no moment can others read it, and no key can be lost.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        try:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            # Half a key is none, and would be kept as one: nothing is ever overwritten.
            path.unlink(missing_ok=True)
            raise


def read_private_key(path: Path, ask: Callable[[str], bytes]) -> ec.EllipticCurvePrivateKey:
    """Read a signing key.

    Args:
        path: PEM.
        ask: Gives the password of what it is told, where the key has one.

    Raises:
        SigningError: The file is missing, open to others, or not an ECDSA P-256 private key in PEM; or the password is
            wrong.
    """
    pem = _read(path)
    password = ask(str(path)) if is_encrypted(pem) else None
    try:
        key = serialization.load_pem_private_key(pem, password=password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if password is not None:
            raise SigningError(
                f"{path}: expected the password of this key, got another one, or a damaged file; try again"
            ) from error
        raise SigningError(
            f"{path}: expected a private key in PEM, got {error}; make one with `ground keys new`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(f"{path}: expected an ECDSA P-256 key, got another kind; make one with `ground keys new`")
    return key


def is_encrypted(pem: bytes) -> bool:
    """Whether a private key in PEM has a password."""
    return _ENCRYPTED_MARK in pem


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            pem, mode = stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    except OSError as error:
        raise SigningError(
            f"{path}: expected a private key in PEM, got {error.strerror}; make one with `ground keys new`"
        ) from error
    if mode & _OTHERS and _PRIVATE_MARK in pem and not is_encrypted(pem):
        raise SigningError(
            f"{path}: expected a key that only its owner may read, got mode {mode:04o} and no password; take it for "
            f"known to others, or, if it cannot be: chmod 600 {path}"
        )
    return pem


def _encrypted_pem(plain: bytes, password: bytes) -> bytes:
    """EncryptedPrivateKeyInfo (RFC 5958) by PBES2 (RFC 8018): PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode."""
    salt, start = os.urandom(16), os.urandom(16)
    secret = PBKDF2HMAC(hashes.SHA256(), length=32, salt=salt, iterations=ITERATIONS).derive(password)
    padder = padding.PKCS7(algorithms.AES.block_size).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(start)).encryptor()
    content = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    count = ITERATIONS.to_bytes(ITERATIONS.bit_length() // 8 + 1, "big")
    derivation = _der(_OCTETS, salt) + _der(_INTEGER, count) + _der(_SEQUENCE, _HMAC_SHA256 + _NULL)
    scheme = _der(_SEQUENCE, _PBKDF2 + _der(_SEQUENCE, derivation)) + _der(
        _SEQUENCE, _AES256_CBC + _der(_OCTETS, start)
    )
    algorithm = _der(_SEQUENCE, _PBES2 + _der(_SEQUENCE, scheme))
    return _pem("ENCRYPTED PRIVATE KEY", _der(_SEQUENCE, algorithm + _der(_OCTETS, content)))


def _der(tag: int, content: bytes) -> bytes:
    """Tag, length, value (X.690, 8.1); lengths below 2^16 are all there are here."""
    n = len(content)
    length = bytes([n]) if n < 0x80 else bytes([0x81, n]) if n < 0x100 else bytes([0x82, n >> 8, n & 0xFF])  # noqa: PLR2004
    return bytes([tag]) + length + content


def _pem(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")
