"""Signing keys: ECDSA on P-256, PEM files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.trust import key_hint
from ground.errors import SigningError
from ground.workspace import write_atomic

PRIVATE_KEY = "private.pem"
PUBLIC_KEY = "public.pem"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a new key pair lies, and its name.

    Attributes:
        private: Signs bundles; stays on the ground, readable by its owner alone.
        public: Goes into the config of every agent.
        hint: Hex sha256 of the public key; stands in every bundle it signs.
    """

    private: Path
    public: Path
    hint: str


def new_key_pair(folder: Path) -> KeyPair:
    """Make a key pair.

    Args:
        folder: Receives ``private.pem`` (mode 0600, not encrypted) and ``public.pem``; made where it is missing.

    Raises:
        SigningError: One of the files exists; a key is never overwritten.
        OSError: The disk refuses.
    """
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise SigningError(f"{path}: expected no file, got one; keep it, or choose another folder for the new key")
    key = ec.generate_private_key(ec.SECP256R1())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(private, key)
    write_atomic(
        public,
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    return KeyPair(private, public, key_hint(key.public_key()))


def load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a signing key.

    Raises:
        SigningError: The file is missing, encrypted, or not an ECDSA P-256 private key in PEM.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"{path}: expected an unencrypted private key in PEM, got {error}; make one with `ground keys new`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(f"{path}: expected an ECDSA P-256 key, got another kind; make one with `ground keys new`")
    return key


def default_public_key(model: Path) -> Path:
    """``keys/public.pem`` of the workspace in which ``models/<detector>/<version>`` lies.

    Args:
        model: That folder, or a ``.bundle`` file in it.
    """
    folder = (model if model.is_dir() else model.parent).resolve()
    workspace = folder.parents[min(2, len(folder.parents) - 1)] if folder.parents else folder
    return workspace / "keys" / PUBLIC_KEY


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # Created with its mode and never over another file: at no moment can others read it, and no key can be lost.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(stream.fileno())
