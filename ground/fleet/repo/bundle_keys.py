"""The keys that sign bundles: targets of the top-level role, so that the root stands above them, too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tuf.api.metadata import Metadata, TargetFile, Targets

from edge_agent.archive import read_archive
from edge_agent.dsse import Envelope
from edge_agent.errors import BundleError, ConfigError
from edge_agent.layout import SIGNATURE
from edge_agent.offer import OFFER_FIELD
from edge_agent.trust import TrustedKeys
from ground.errors import RepositoryError
from ground.fleet.repo.repository import TARGET_FILES, Repository
from ground.fleet.repo.roles import TARGETS, delegations_of, key_path

SCHEMA: Final = 1
BUNDLE_KEY: Final = "bundle-key"
REVOKED_KEY: Final = "revoked-bundle-key"
"""Kinds of a key's target; a revoked one stays listed: agents refuse it, even where their config pins it."""
MOST_KEYS: Final = 64
"""So many an agent reads."""
_HASH: Final = "sha256"
_LEAST_DIGITS: Final = 8


def trust_key(repo: Repository, public: Path) -> str:
    """Stage that agents take bundles signed by a key.

    Args:
        repo: The repository.
        public: The ``public.pem`` of ``ground keys new``.

    Returns:
        Its hint: the name it has in bundles.

    Raises:
        RepositoryError: No such key, or it is trusted already, or revoked, which is for ever.
    """
    hint, key = _read_key(public)
    kind = kinds_of(repo.targets).get(hint)
    if kind:
        raise RepositoryError(
            f"{public}: expected a key that is not listed yet, got {hint[:16]}, which is as {kind}; "
            "a revoked key stays out: make another with `ground keys new`"
        )
    _stage(repo, hint, key, BUNDLE_KEY)
    return hint


def distrust_key(repo: Repository, key: str) -> tuple[str, list[str]]:
    """Stage that agents no longer take bundles signed by a key, not even those whose config pins it.

    Args:
        repo: The repository.
        key: The hint of a listed key, or how it begins; or the file of any public key.

    Returns:
        The whole hint, and the published offers that it has signed: nobody can take them any more.

    Raises:
        RepositoryError: No such key, several begin so, or it is revoked already.
    """
    if Path(key).is_file():
        hint, public = _read_key(Path(key))
    else:
        hint = _find(repo.targets, key)
        _, public = _read_key(_file_of(repo, repo.targets.targets[key_path(hint)]))
    if kinds_of(repo.targets).get(hint) == REVOKED_KEY:
        raise RepositoryError(f"{key}: expected a key that is not revoked yet, got {hint[:16]}, which is; go on")
    _stage(repo, hint, public, REVOKED_KEY)
    return hint, _signed_by(repo, hint)


def kinds_of(targets: Targets) -> dict[str, str]:
    """Whether each listed key signs bundles or is revoked, by its hint."""
    return {PurePosixPath(path).stem: _document(target).get("kind", "") for path, target in targets.targets.items()}


def trusted_keys(repo: Repository) -> TrustedKeys:
    """The keys whose bundles may be offered: those listed, published or staged, and not revoked.

    Raises:
        ConfigError: A key's file is missing.
    """
    targets = [each for each in repo.targets.targets.values() if _document(each).get("kind") == BUNDLE_KEY]
    return TrustedKeys.from_files(_file_of(repo, target) for target in targets)


def _read_key(path: Path) -> tuple[str, ec.EllipticCurvePublicKey]:
    try:
        ((hint, key),) = TrustedKeys.from_files([path]).by_hint.items()
    except ConfigError as error:
        raise RepositoryError(str(error)) from error
    return hint, key


def _find(targets: Targets, key: str) -> str:
    hints = kinds_of(targets)
    found = [each for each in hints if each.startswith(key)]
    if len(found) != 1 or len(key) < _LEAST_DIGITS:
        known = ", ".join(each[:16] for each in hints) or "none"
        raise RepositoryError(
            f"key: expected a public key file, or {_LEAST_DIGITS} digits or more that begin one listed key ({known}), "
            f"got {key!r}; `ground repo show` lists them"
        )
    return found[0]


def _stage(repo: Repository, hint: str, key: ec.EllipticCurvePublicKey, kind: str) -> None:
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = key_path(hint)
    metadata: Metadata[Targets] = repo.draft(TARGETS)
    target = TargetFile.from_data(path, pem, [_HASH])
    custom = {"custom": {OFFER_FIELD: {"schema": SCHEMA, "kind": kind}}}
    metadata.signed.targets[path] = TargetFile(target.length, target.hashes, path, custom)
    if len(metadata.signed.targets) > MOST_KEYS:
        raise RepositoryError(f"targets: expected at most {MOST_KEYS} keys, got more; agents read no more than that")
    repo.stage_target(path, pem)
    repo.stage(TARGETS, metadata)


def _document(target: TargetFile) -> dict[str, Any]:
    document = (target.custom or {}).get(OFFER_FIELD)
    return document if isinstance(document, dict) else {}


def _file_of(repo: Repository, target: TargetFile) -> Path:
    path = PurePosixPath(target.path)
    public = repo.trees.public / TARGET_FILES / path.parent / f"{target.hashes[_HASH]}.{path.name}"
    return public if public.is_file() else repo.target_files / path


def _signed_by(repo: Repository, hint: str) -> list[str]:
    fleets = [repo.published[role].signed for role in delegations_of(repo.published)]
    targets = [target for fleet in fleets for target in fleet.targets.values()]
    return [target.path for target in targets if _hint_of(_file_of(repo, target)) == hint]


def _hint_of(bundle: Path) -> str:
    try:
        return Envelope.from_json(read_archive(bundle.read_bytes())[SIGNATURE]).hint
    except (BundleError, OSError):
        return ""  # it is not one that this key has signed, whatever it is
