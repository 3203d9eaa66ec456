"""Names of roles, paths of targets, and which keys may be in which role."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ground.errors import RepositoryError
from ground.fleet.repo.key_files import name_of

ROOT: Final = Root.type
TARGETS: Final = Targets.type
SNAPSHOT: Final = Snapshot.type
TIMESTAMP: Final = Timestamp.type
ONLINE: Final = (SNAPSHOT, TIMESTAMP)
DELEGATION: Final = "bundles-"
THRESHOLD: Final = 2
"""Signatures that root and targets need."""
LEAST_HOLDERS: Final = 3
"""Keys that root and targets have at least: one may be lost."""
LEAST_ENGINEERS: Final = 2
"""Keys of a fleet's offers, any one of which signs: a rollout can be halted when somebody is away."""
_FLEET = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def role_of(fleet: str) -> str:
    """The role that signs the offers of a fleet.

    Raises:
        RepositoryError: Not the name of a fleet.
    """
    if not _FLEET.fullmatch(fleet):
        raise RepositoryError(f"fleet: expected text of the form {_FLEET.pattern}, got {fleet!r}; correct it")
    return DELEGATION + fleet


def bundle_path(fleet: str, digest: str) -> str:
    """The target path of a bundle."""
    return f"bundles/{fleet}/{digest}.bundle"


def key_path(hint: str) -> str:
    """The target path of a key that signs bundles."""
    return f"keys/{hint}.pem"


def keys_in_use(roles: Mapping[str, Metadata[Any]]) -> dict[str, tuple[str, Key]]:
    """Every key that some role accepts, by id, with that role."""
    used: dict[str, tuple[str, Key]] = {}
    if ROOT in roles:
        root: Root = roles[ROOT].signed
        used |= {keyid: (name, root.keys[keyid]) for name, role in root.roles.items() for keyid in role.keyids}
    for delegation in delegations_of(roles):
        signed: Targets = roles[TARGETS].signed
        for keyid in signed.get_delegated_role(delegation).keyids:
            used[keyid] = (delegation, signed.get_key(keyid))
    return used


def delegations_of(roles: Mapping[str, Metadata[Any]]) -> list[str]:
    """The delegated roles, in their order."""
    if TARGETS not in roles or roles[TARGETS].signed.delegations is None:
        return []
    return list(roles[TARGETS].signed.delegations.roles)


def check_fresh(keys: Iterable[Key], used: Mapping[str, tuple[str, Key]]) -> None:
    """Refuse a key that is given twice, or that another role has: a key that is stolen must open one door only.

    Raises:
        RepositoryError: Such a key.
    """
    seen: set[str] = set()
    for key in keys:
        if key.keyid in seen:
            raise RepositoryError(f"key {name_of(key)}: expected each key once, got it twice; give another one")
        if key.keyid in used:
            raise RepositoryError(
                f"key {name_of(key)}: expected a key of its own for each role, got one of {used[key.keyid][0]}; "
                "make another with `ground repo new-key`"
            )
        seen.add(key.keyid)
