"""Pinned public keys, and the check that a bundle was signed by one of them.

ECDSA on P-256 with SHA-256, by ``cryptography`` alone. Ed25519 is not offered: libraries differ on malleated signatures
and on the identity key, which fits any message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from edge_agent.dsse import Envelope, pae
from edge_agent.errors import ConfigError, SignatureRejected
from edge_agent.layout import SIGNATURE

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order n of the P-256 group (SEC 2, secp256r1)."""

_KEY_CAP = 64 * 1024


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys an agent accepts bundles from, and those it never accepts one from.

    Attributes:
        by_hint: Each key under the sha256 of its PEM form.
        revoked: Hints of keys that are shut out, pinned or not.
    """

    by_hint: Mapping[str, ec.EllipticCurvePublicKey]
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Iterable[ec.EllipticCurvePublicKey], *, revoked: Collection[str] = ()) -> TrustedKeys:
        """Pin ``keys``."""
        return cls(MappingProxyType({key_hint(key): key for key in keys}), frozenset(revoked))

    @classmethod
    def from_files(cls, paths: Iterable[Path], *, revoked: Collection[str] = ()) -> TrustedKeys:
        """Pin the keys in PEM files.

        Args:
            paths: The files.
            revoked: Hints of keys to shut out.

        Raises:
            ConfigError: A file is missing or holds anything but one P-256 public key.
        """
        return cls.of((load_public_key(path) for path in paths), revoked=revoked)


def key_hint(key: ec.EllipticCurvePublicKey) -> str:
    """Name of a public key: lower-case hex sha256 of its SubjectPublicKeyInfo in PEM."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def verify_signature(signature: bytes, keys: TrustedKeys) -> bytes:
    """Verify the content of ``bundle.sig`` and give back what was signed.

    Args:
        signature: The member ``bundle.sig``.
        keys: The pinned keys.

    Returns:
        The payload bytes, now authentic; the caller parses these and no others.

    Raises:
        SignatureRejected: Not signed, signed by a key that is revoked or not pinned, or not by the key it names.
        BundleFormatError: Not strict JSON.
    """
    envelope = Envelope.from_json(signature)
    if envelope.hint in keys.revoked:
        raise SignatureRejected(
            "revoked_key",
            f"{SIGNATURE}: expected a key that is trusted, got key {envelope.hint[:16]}, which is revoked, by "
            "bundle.revoked_keys or by the update repository; take a bundle that another key signed",
        )
    key = keys.by_hint.get(envelope.hint)
    if key is None:
        raise SignatureRejected(
            "unknown_key",
            f"{SIGNATURE}: expected one of {len(keys.by_hint)} pinned keys, got key {envelope.hint[:16]!r}; "
            "add its public key to the agent's config if you trust it",
        )
    _check_low_s(envelope.signature)
    try:
        key.verify(envelope.signature, pae(envelope.payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureRejected(
            "bad_signature",
            f"{SIGNATURE}: expected a signature by key {envelope.hint[:16]}, got a forged one; do not use this file",
        ) from error
    return envelope.payload


def _check_low_s(signature: bytes) -> None:
    # (r, n - s) verifies too: anybody could give a bundle a second digest and slip past a list of rejected digests.
    try:
        _, s = decode_dss_signature(signature)
    except ValueError as error:
        raise SignatureRejected(
            "bad_signature", f"{SIGNATURE}: expected an ECDSA signature in DER, got {error}; sign it again"
        ) from error
    if s > P256_ORDER // 2:
        raise SignatureRejected(
            "high_s", f"{SIGNATURE}: expected the lower of the two values of s; sign the bundle again"
        )


def load_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Read a public key.

    Raises:
        ConfigError: The file is missing or holds anything but one P-256 public key in PEM.
    """
    try:
        with path.open("rb") as stream:
            key = serialization.load_pem_public_key(stream.read(_KEY_CAP))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{path}: expected a public key in PEM, got {error}; give the file of `ground keys new`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(
            f"{path}: expected an ECDSA P-256 public key, got another kind; make one with `ground keys new`"
        )
    return key
