"""Signatures of people who are not in one room: one at a time, each on what the others have signed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, Signature
from tuf.api.metadata import Metadata, VerificationResult

from ground.errors import RepositoryError, SigningError
from ground.fleet.repo.key_files import name_of
from ground.fleet.repo.metadata_file import read_metadata
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.roles import DELEGATION, ROOT, TARGETS


@dataclass(frozen=True, slots=True)
class Quorum:
    """Signatures by the keys of one version of a role's delegator.

    Attributes:
        by: That version, as people say it.
        have: Names of the keys that have signed.
        missing: Names of those that have not.
        threshold: How many are needed.
    """

    by: str
    have: tuple[str, ...]
    missing: tuple[str, ...]
    threshold: int

    @property
    def met(self) -> bool:
        """Whether they suffice."""
        return len(self.have) >= self.threshold

    def __str__(self) -> str:
        missing = "" if self.met else f"; may sign: {', '.join(self.missing)}"
        return f"{len(self.have)} of {self.threshold} signatures by the keys of {self.by}{missing}"


def quorum(delegator: Metadata[Any], role: str, metadata: Metadata[Any]) -> Quorum:
    """How far ``metadata`` of a role is signed by the keys that ``delegator`` names for it."""
    by = f"{delegator.signed.type} version {delegator.signed.version}"
    if not _names(delegator, role):
        return Quorum(by, (), (), 1)
    result: VerificationResult = delegator.signed.get_verification_result(
        role, metadata.signed_bytes, metadata.signatures
    )
    have, missing = (tuple(map(name_of, keys.values())) for keys in (result.signed, result.unsigned))
    return Quorum(by, have, missing, result.threshold)


def quorums(repo: Repository, role: str) -> list[Quorum]:
    """How far what is staged of a role is signed: a root by its own keys and those of the root before it."""
    return [quorum(delegator, role, repo.staged[role]) for delegator in _delegators(repo, role)]


def unsigned_targets(repo: Repository, role: str) -> frozenset[str]:
    """Paths of targets that are staged otherwise than they are public, where too few have signed that."""
    if role not in repo.staged or all(each.met for each in quorums(repo, role)):
        return frozenset()
    after = repo.staged[role].signed.targets
    before = repo.published[role].signed.targets if role in repo.published else {}
    return frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def add_signature(repo: Repository, role: str, signer: CryptoSigner) -> None:
    """Sign what is staged of a role.

    Raises:
        RepositoryError: Nothing is staged.
        SigningError: The key is none of the role's.
    """
    metadata = copy.deepcopy(staged(repo, role))
    keys = signing_keys(repo, role)
    if signer.public_key.keyid not in keys:
        raise SigningError(
            f"{role}: expected a key among {', '.join(map(name_of, keys.values()))}, got {name_of(signer.public_key)}; "
            "sign with one of those"
        )
    metadata.sign(signer, append=True)
    repo.stage(role, metadata)


def collect(repo: Repository, path: Path) -> tuple[str, list[str]]:
    """Take over signatures from a signed copy of a staged file.

    Args:
        repo: The repository.
        path: The copy, ``<role>.json``.

    Returns:
        The role, and the names of the keys whose signatures are new here.

    Raises:
        RepositoryError: Another content than what is staged, or no valid signature that is new.
    """
    role = path.stem
    metadata, copied = copy.deepcopy(staged(repo, role)), read_metadata(path)
    if copied.signed_bytes != metadata.signed_bytes:
        raise RepositoryError(
            f"{path}: expected the content of {repo.staged_file(role)}, got another; sign a copy of what is staged now"
        )
    found = _valid_signatures(copied, signing_keys(repo, role))
    added = {key.keyid: key for key in found if key.keyid not in metadata.signatures}
    if not added:
        raise RepositoryError(f"{path}: expected a new signature by a key of {role}, got none; sign the copy first")
    metadata.signatures.update({keyid: copied.signatures[keyid] for keyid in added})
    repo.stage(role, metadata)
    return role, [name_of(key) for key in added.values()]


def staged(repo: Repository, role: str) -> Metadata[Any]:
    """What waits for signatures.

    Raises:
        RepositoryError: Nothing is staged of this role.
    """
    if role not in repo.staged:
        waiting = ", ".join(sorted(repo.staged)) or "nothing"
        raise RepositoryError(f"{role}: expected something to sign, got nothing; what waits is: {waiting}")
    return repo.staged[role]


def signing_keys(repo: Repository, role: str) -> dict[str, Key]:
    """The keys that may sign what is staged of a role, by id."""
    return {
        keyid: delegator.signed.get_key(keyid)
        for delegator in _delegators(repo, role)
        if _names(delegator, role)
        for keyid in delegator.signed.get_delegated_role(role).keyids
    }


def _delegators(repo: Repository, role: str) -> list[Metadata[Any]]:
    name = TARGETS if role.startswith(DELEGATION) else ROOT
    states: tuple[Mapping[str, Metadata[Any]], ...] = (repo.published, repo.staged)
    return [state[name] for state in states if name in state]


def _names(delegator: Metadata[Any], role: str) -> bool:
    try:
        delegator.signed.get_delegated_role(role)
    except ValueError:
        return False
    return True


def _valid_signatures(metadata: Metadata[Any], keys: Mapping[str, Key]) -> list[Key]:
    payload = metadata.signed_bytes
    signed = [(keys[keyid], signature) for keyid, signature in metadata.signatures.items() if keyid in keys]
    return [key for key, signature in signed if _verifies(key, signature, payload)]


def _verifies(key: Key, signature: Signature, payload: bytes) -> bool:
    try:
        key.verify_signature(signature, payload)
    except UnverifiedSignatureError:
        return False
    return True
