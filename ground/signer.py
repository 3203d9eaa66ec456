"""Whatever can sign: a key in memory, a command, a token."""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edge_agent.trust import P256_ORDER, key_hint
from ground.errors import SigningError


class Signer(Protocol):
    """Signs by ECDSA on P-256 with SHA-256."""

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half of the key that it signs with."""
        ...

    def sign_message(self, message: bytes) -> bytes:
        """A signature of ``message``, in DER; it is not trusted, but checked by ``checked_signature``.

        Raises:
            SigningError: It cannot sign, or does not want to.
        """
        ...


SigningKey = Signer | ec.EllipticCurvePrivateKey
"""What signs: a signer, or a private key as it is."""


class KeySigner:
    """A private key in memory.

    Nonces follow RFC 6979: a signature needs no luck of a random source, and does not change when it is made again.

    Args:
        private_key: ECDSA P-256.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See ``Signer``."""
        return self._private_key.public_key()

    def sign_message(self, message: bytes) -> bytes:
        """See ``Signer``."""
        return self._private_key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def as_signer(key: SigningKey) -> Signer:
    """The signer itself, or one for a private key."""
    return KeySigner(key) if isinstance(key, ec.EllipticCurvePrivateKey) else key


def checked_signature(signer: Signer, message: bytes) -> bytes:
    """Have a message signed, and believe the signer nothing.

    Returns:
        DER; of the two values of s that verify, the lower one: the agent takes no other.

    Raises:
        SigningError: It did not sign, or not this message with the key that it names.
    """
    public_key, answer = signer.public_key(), signer.sign_message(message)
    signature = _low_s(answer)
    try:
        public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SigningError(
            f"signer: expected a signature of the bundle by key {key_hint(public_key)[:16]}, got one by another key or "
            "of other bytes; give the public half of the key that signs, and say whether it takes the message or its "
            "digest"
        ) from error
    return signature


def _low_s(answer: bytes) -> bytes:
    try:
        r, s = decode_dss_signature(answer)
    except ValueError:
        r = s = 0
    # Out of range is what a tool makes of a number whose sign bit it forgot.
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        raise SigningError(
            f"signer: expected an ECDSA signature in DER, got {len(answer)} bytes that are none "
            f"({answer[:16].hex()}); let it write the signature and nothing else"
        )
    return encode_dss_signature(r, min(s, P256_ORDER - s))
