"""Keys of the roles of an update repository: ed25519, a private key in an encrypted PEM, its public key beside it.

These keys sign the repository's metadata. Keys that sign bundles are others (``ground.keys``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from ground.errors import SigningError
from ground.key_file import is_encrypted, write_private_key
from ground.password import PasswordSource
from ground.workspace import write_atomic

PUBLIC_SUFFIX: Final = ".pub"
PRIVATE_SUFFIX: Final = ".pem"
NAME_FIELD: Final = "x-enginear-name"
"""Field of a key in the metadata: what people call it, the name of its file. It decides nothing."""
SHORT_ID_N: Final = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELD_PRIME = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD_PRIME - 1, _FIELD_PRIME, _FIELD_PRIME + 1, _ORDER_8, _FIELD_PRIME - _ORDER_8})
"""Heights of the points of edwards25519 whose order divides 8, other writings of 0 and 1 included (RFC 8032)."""


def new_role_key(private: Path, passwords: PasswordSource) -> SSlibKey:
    """Make a key pair: ``private`` (mode 0600, encrypted) and its public key beside it with the suffix ``.pub``.

    Raises:
        SigningError: One of the files exists, the name is no name, or there is no password.
        OSError: The disk refuses.
    """
    public = private.with_suffix(PUBLIC_SUFFIX)
    if private.suffix != PRIVATE_SUFFIX or not _NAME.fullmatch(private.stem):
        raise SigningError(f"{private}: expected a name such as alice{PRIVATE_SUFFIX}, got another one; correct it")
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise SigningError(f"{path}: expected no file, got one; keep it, or choose another name for the new key")
    key = Ed25519PrivateKey.generate()
    password = passwords.choose(str(private))
    private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private_key(private, key, password)
    write_atomic(
        public,
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    return load_public_key(public)


def load_public_key(path: Path) -> SSlibKey:
    """Read the public key of a role.

    Raises:
        SigningError: Not an ed25519 public key in PEM, or one that any signature fits.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"{path}: expected a public key in PEM, got {error}; give the {PUBLIC_SUFFIX} file of `ground repo new-key`"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path}: expected an ed25519 key, got another kind; make one with `ground repo new-key`")
    height = int.from_bytes(key.public_bytes_raw(), "little") % 2**255
    if height in _SMALL_ORDER_Y:
        raise SigningError(f"{path}: expected a key of full order, got one that anybody can sign for; do not use it")
    if not _NAME.fullmatch(path.stem):
        raise SigningError(f"{path}: expected a name such as alice{PUBLIC_SUFFIX}, got another one; rename the file")
    named = SSlibKey.from_crypto(key)
    named.unrecognized_fields[NAME_FIELD] = path.stem
    return named


def load_signer(path: Path, passwords: PasswordSource) -> CryptoSigner:
    """Read a private key.

    Raises:
        SigningError: Missing, not an ed25519 private key in PEM, or the password is wrong.
    """
    try:
        pem = path.read_bytes()
        secret = passwords.ask(str(path)) if is_encrypted(pem) else None
        key = serialization.load_pem_private_key(pem, password=secret)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"{path}: expected a private key in PEM and its password, got {error}; give the {PRIVATE_SUFFIX} file of "
            "`ground repo new-key` and the password it was made with"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path}: expected an ed25519 key, got another kind; make one with `ground repo new-key`")
    return CryptoSigner(key)


def name_of(key: Key) -> str:
    """What people call a key, and the beginning of its id."""
    return f"{key.unrecognized_fields.get(NAME_FIELD, '')} {key.keyid[:SHORT_ID_N]}".strip()
