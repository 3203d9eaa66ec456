"""The keys that may sign bundles: targets of the top-level role, so that the root stands above them, too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from tuf.api.metadata import Metadata, TargetFile, Targets

from edge_agent.archive import read_archive
from edge_agent.dsse import Envelope
from edge_agent.errors import BundleError, ConfigError
from edge_agent.layout import SIGNATURE
from edge_agent.offer import OFFER_FIELD
from edge_agent.trust import TrustedKeys
from ground.errors import RepositoryError
from ground.fleet.repository import TARGET_FILES, Repository
from ground.fleet.roles import TARGETS, delegations_of, key_path

KEY_DOCUMENT: Final[dict[str, Any]] = {"schema": 1, "kind": "bundle-key"}
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
        RepositoryError: No such key, or it is trusted already.
    """
    try:
        ((hint, key),) = TrustedKeys.from_files([public]).by_hint.items()
    except ConfigError as error:
        raise RepositoryError(str(error)) from error
    path = key_path(hint)
    if path in repo.targets.targets:
        raise RepositoryError(f"{public}: expected a key that is not trusted yet, got {hint[:16]}, which is; go on")
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    metadata: Metadata[Targets] = repo.draft(TARGETS)
    target = TargetFile.from_data(path, pem, [_HASH])
    custom = {"custom": {OFFER_FIELD: KEY_DOCUMENT}}
    metadata.signed.targets[path] = TargetFile(target.length, target.hashes, path, custom)
    repo.stage_target(path, pem)
    repo.stage(TARGETS, metadata)
    return hint


def distrust_key(repo: Repository, hint: str) -> tuple[str, list[str]]:
    """Stage that agents no longer take bundles signed by a key.

    Args:
        repo: The repository.
        hint: Its hint, or how it begins.

    Returns:
        The whole hint, and the published offers that it has signed: nobody can take them any more.

    Raises:
        RepositoryError: None or several begin so.
    """
    hints = hints_of(repo.targets)
    found = [each for each in hints if each.startswith(hint)]
    if len(found) != 1 or len(hint) < _LEAST_DIGITS:
        known = ", ".join(each[:16] for each in hints) or "none"
        raise RepositoryError(
            f"hint: expected {_LEAST_DIGITS} or more digits that begin one trusted key ({known}), got {hint!r}; "
            "`ground repo show` lists them"
        )
    metadata: Metadata[Targets] = repo.draft(TARGETS)
    del metadata.signed.targets[key_path(found[0])]
    repo.stage(TARGETS, metadata)
    return found[0], _signed_by(repo, found[0])


def hints_of(targets: Targets) -> list[str]:
    """The hints of the trusted keys."""
    return [PurePosixPath(path).stem for path in targets.targets]


def trusted_keys(repo: Repository) -> TrustedKeys:
    """The keys whose bundles may be offered: those that are public and stay so, and those that are staged.

    Raises:
        RepositoryError: A key's file is missing.
    """
    return TrustedKeys.from_files(_file_of(repo, target) for target in repo.targets.targets.values())


def _file_of(repo: Repository, target: TargetFile) -> Path:
    path = PurePosixPath(target.path)
    public = repo.trees.public / TARGET_FILES / path.parent / f"{target.hashes[_HASH]}.{path.name}"
    return public if public.is_file() else repo.target_files / path


def _signed_by(repo: Repository, hint: str) -> list[str]:
    targets = [
        target for role in delegations_of(repo.published) for target in repo.published[role].signed.targets.values()
    ]
    return [target.path for target in targets if _hint_of(_file_of(repo, target)) == hint]


def _hint_of(bundle: Path) -> str:
    try:
        return Envelope.from_json(read_archive(bundle.read_bytes())[SIGNATURE]).hint
    except (BundleError, OSError):
        return ""  # it is not one that this key has signed, whatever it is
