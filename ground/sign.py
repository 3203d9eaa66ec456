"""Signing: ``bundle.sig`` over the members of a bundle, in the format of OpenSSF Model Signing v1.0."""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.dsse import Envelope, pae
from edge_agent.statement import Statement
from edge_agent.trust import key_hint
from ground.signer import SigningKey, as_signer, checked_signature


def sign_members(name: str, members: Mapping[str, bytes], key: SigningKey) -> bytes:
    """Sign the members of a bundle.

    Args:
        name: Name of the bundle in the statement.
        members: Content by member name, without ``bundle.sig``.
        key: What signs.

    Returns:
        The content of ``bundle.sig``; the same members and private key give the same bytes. Tokens and commands choose
        nonces of their own, and may give other bytes each time.

    Raises:
        SigningError: It did not sign, or not with the key that it names.
    """
    return sign_payload(Statement.of(name, members).to_json(), key)


def sign_payload(payload: bytes, key: SigningKey) -> bytes:
    """Sign an in-toto statement; see ``sign_members``."""
    signer = as_signer(key)
    signature = checked_signature(signer, pae(payload))
    return Envelope(hint=key_hint(signer.public_key()), payload=payload, signature=signature).to_json()
