"""Who may sign bundles: the keys that the config pins, and those that the update repository lists.

One root rotates everything: the repository adds keys, drops the ones it added, and revokes any, those of the config
too. A revoked key signs nothing that is installed or activated any more. What lies verified in the slots goes on: an
engine must not lose its watch because an engineer lost a key; release a bundle of a new key to replace it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import UpdateError
from edge_agent.trust import TrustedKeys, key_hint
from edge_agent.update_disk import read_update_state
from edge_agent.update_state import SignerKey, UpdateState

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.config import AgentConfig

_log = structlog.get_logger(__name__)


def accepted_keys(config: AgentConfig) -> TrustedKeys:
    """Keys whose bundles are installed and activated.

    Raises:
        ConfigError: A key file is wrong, or the state may not be read.
        UpdateError: ``state_corrupt``: nobody knows what was revoked.
    """
    return accepted_of(config.bundle.keys, read_update_state(config.agent.state_dir), config.bundle.revoked_keys)


def accepted_of(pinned: Iterable[Path], state: UpdateState, revoked: Collection[str]) -> TrustedKeys:
    """As ``accepted_keys``, of a state that is at hand.

    Args:
        pinned: Key files of the config.
        state: What the updater knows.
        revoked: Hints that the config revokes.
    """
    keys = {**TrustedKeys.from_files(pinned).by_hint, **_by_hint(state.accepted)}
    return TrustedKeys.of(keys.values(), revoked={*revoked, *state.revoked})


def start_keys(config: AgentConfig) -> TrustedKeys:
    """Keys of what the agent starts: ``known_keys`` with slots, ``accepted_keys`` without."""
    return known_keys(config) if config.bundle.slots else accepted_keys(config)


def known_keys(config: AgentConfig) -> TrustedKeys:
    """Keys whose bundles, once in a slot, are started: also those that the repository took back; not the config's own.

    Raises:
        ConfigError: A key file is wrong, or the state may not be read.
    """
    pinned = TrustedKeys.from_files(config.bundle.keys).by_hint
    try:
        state = read_update_state(config.agent.state_dir)
    except UpdateError as error:
        # The watch over an engine does not wait for this; nothing new is installed meanwhile.
        _log.error("keys of the repository not known", error=str(error))
        state = UpdateState()
    keys = {**pinned, **_by_hint((*state.retired, *state.accepted))}
    return TrustedKeys.of(keys.values(), revoked=config.bundle.revoked_keys)


def signer_key(pem: bytes, hint: str) -> SignerKey:
    """A key of the repository.

    Raises:
        UpdateError: ``bad_key``: no P-256 public key in PEM, or not the one of that hint.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_key(hint, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad_key(hint, "another kind of key")
    if key_hint(key) != hint:
        raise _bad_key(hint, f"key {key_hint(key)[:16]}")
    return SignerKey(hint, pem.decode("ascii"))


def _by_hint(keys: Iterable[SignerKey]) -> dict[str, ec.EllipticCurvePublicKey]:
    loaded = [serialization.load_pem_public_key(key.pem.encode("ascii")) for key in keys]
    return {key_hint(key): key for key in loaded if isinstance(key, ec.EllipticCurvePublicKey)}


def _bad_key(hint: str, what: str) -> UpdateError:
    return UpdateError(
        "bad_key",
        f"keys/{hint}.pem: expected the ECDSA P-256 public key in PEM of that name, got {what}; publish it again",
    )
