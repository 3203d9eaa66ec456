"""Signing key pairs: ECDSA on P-256, PEM files in a folder, each with the key that it follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.trust import key_hint, load_public_key
from ground.errors import SigningError
from ground.key_file import UNENCRYPTED, read_private_key, write_private_key
from ground.workspace import write_atomic

PRIVATE_KEY = "private.pem"
PUBLIC_KEY = "public.pem"
PREDECESSOR_KEY = "predecessor.pem"


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


def new_key_pair(folder: Path, *, password: bytes = UNENCRYPTED) -> KeyPair:
    """Make a key pair.

    Args:
        folder: Receives ``private.pem`` (mode 0600) and ``public.pem``; made where it is missing.
        password: Encrypts the private key.

    Raises:
        SigningError: One of the files exists; a key is never overwritten.
        OSError: The disk refuses.
    """
    refuse_existing(folder)
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    key = ec.generate_private_key(ec.SECP256R1())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private_key(private, key, password)
    write_atomic(public, public_pem(key.public_key()))
    return KeyPair(private, public, key_hint(key.public_key()))


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that has a key already; asked before a person is asked for a password.

    Raises:
        SigningError: It has.
    """
    for path in (folder / PRIVATE_KEY, folder / PUBLIC_KEY, folder / PREDECESSOR_KEY):
        if path.exists() or path.is_symlink():
            raise SigningError(f"{path}: expected no file, got one; keep it, or choose another folder for the new key")


def rotate_key_pair(predecessor: Path, folder: Path, *, password: bytes = UNENCRYPTED) -> KeyPair:
    """Make the key pair that follows another one, which stays as it is.

    Args:
        predecessor: Public key of the pair that is followed, in PEM.
        folder: As ``new_key_pair``; receives a copy of that public key as ``predecessor.pem``, too.
        password: As ``new_key_pair``.

    Raises:
        ConfigError: ``predecessor`` is no P-256 public key.
        SigningError: One of the files exists.
        OSError: The disk refuses.
    """
    followed = load_public_key(predecessor)
    pair = new_key_pair(folder, password=password)
    write_atomic(folder / PREDECESSOR_KEY, public_pem(followed))
    return pair


def _no_password(what: str) -> bytes:
    raise SigningError(
        f"{what}: expected an unencrypted private key in PEM, got an encrypted one and no password; give its password, "
        "or make a key with `ground keys new`"
    )


def load_private_key(path: Path, ask: Callable[[str], bytes] = _no_password) -> ec.EllipticCurvePrivateKey:
    """Read a signing key.

    Args:
        path: PEM.
        ask: Gives the password of what it is told; without it, encrypted keys are refused.

    Raises:
        SigningError: The file is missing, or not an ECDSA P-256 private key in PEM that can be opened.
    """
    return read_private_key(path, ask)


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key in the form that its name is taken from."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def default_public_key(model: Path) -> Path:
    """``keys/public.pem`` of the workspace in which ``models/<detector>/<version>`` lies.

    Args:
        model: That folder, or a ``.bundle`` file in it.
    """
    folder = (model if model.is_dir() else model.parent).resolve()
    workspace = folder.parents[min(2, len(folder.parents) - 1)] if folder.parents else folder
    return workspace / "keys" / PUBLIC_KEY
