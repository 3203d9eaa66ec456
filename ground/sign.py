"""Signing: ``bundle.sig`` over the members of a bundle, in the format of OpenSSF Model Signing v1.0."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edge_agent.dsse import Envelope, pae
from edge_agent.statement import Statement
from edge_agent.trust import P256_ORDER, key_hint


def sign_members(name: str, members: Mapping[str, bytes], private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign the members of a bundle.

    Args:
        name: Name of the bundle in the statement.
        members: Content by member name, without ``bundle.sig``.
        private_key: ECDSA P-256.

    Returns:
        The content of ``bundle.sig``; the same members and key give the same bytes.
    """
    return sign_payload(Statement.of(name, members).to_json(), private_key)


def sign_payload(payload: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign an in-toto statement.

    Nonces follow RFC 6979: a signature needs no luck of a random source, and does not change when it is made again.
    Of the two values of s that verify, the lower one is written; the agent takes no other.
    """
    signature = private_key.sign(pae(payload), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    low_s = encode_dss_signature(r, min(s, P256_ORDER - s))
    return Envelope(hint=key_hint(private_key.public_key()), payload=payload, signature=low_s).to_json()
