"""A new repository, and fleets in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, Targets

from edge_agent.offer import EPOCH_FIELD
from edge_agent.slots_disk import make_folder, write_durably
from edge_agent.strict_json import canonical_json
from ground.errors import RepositoryError
from ground.fleet.repo.repository import STAGED, Repository
from ground.fleet.repo.roles import (
    LEAST_ENGINEERS,
    LEAST_HOLDERS,
    ROOT,
    SNAPSHOT,
    TARGETS,
    THRESHOLD,
    TIMESTAMP,
    bundle_path,
    check_fresh,
    keys_in_use,
    role_of,
)
from ground.fleet.repo.settings import SETTINGS, Lifetimes
from ground.fleet.repo.tree import TREES


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Public keys of the roles of a new repository.

    Attributes:
        root: Offline, three or more; two of them sign.
        targets: Offline, three or more others; two of them sign.
        snapshot: Online.
        timestamp: Online.
    """

    root: Sequence[Key]
    targets: Sequence[Key]
    snapshot: Key
    timestamp: Key


def found(folder: Path, holders: Holders, lifetimes: Lifetimes) -> Repository:
    """Make a repository whose first root and targets wait for signatures.

    Raises:
        RepositoryError: The folder holds files, or the keys are too few or used twice.
        OSError: The disk refuses.
    """
    for role, keys in ((ROOT, holders.root), (TARGETS, holders.targets)):
        _check_number(f"{role} keys", keys, LEAST_HOLDERS)
    check_fresh([*holders.root, *holders.targets, holders.snapshot, holders.timestamp], {})
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RepositoryError(f"{folder}: expected a new or empty folder, got files in it; choose another one")
    folder.mkdir(parents=True, exist_ok=True)
    make_folder(folder / STAGED)
    make_folder(folder / TREES)
    # nginx and others reach the trees as anybody.
    for public in (folder, folder / TREES):
        public.chmod(0o755)
    write_durably(folder / SETTINGS, canonical_json(lifetimes.document()) + b"\n")
    repo = Repository(folder)
    for role, signed in ((ROOT, _first_root(holders)), (TARGETS, Targets())):
        repo.date(role, signed)
        repo.stage(role, Metadata(signed))
    return repo


def add_fleet(repo: Repository, fleet: str, engineers: Sequence[Key]) -> str:
    """Delegate the offers of a fleet to engineers, any one of whom may sign.

    Returns:
        The new role; it and the targets wait for signatures.

    Raises:
        RepositoryError: The fleet is there, or the keys are too few or used elsewhere.
    """
    role = role_of(fleet)
    if role in repo.latest:
        raise RepositoryError(f"{role}: expected a new fleet, got one that is there; `ground repo rotate-key {role}`")
    _check_number(f"{role} keys", engineers, LEAST_ENGINEERS)
    check_fresh(engineers, keys_in_use(repo.latest))
    metadata: Metadata[Targets] = repo.draft(TARGETS)
    delegations = metadata.signed.delegations or Delegations({}, {})
    if delegations.roles is None:
        raise RepositoryError(f"{TARGETS}: expected delegations by name, got hash bins; make a new repository")
    delegations.roles[role] = DelegatedRole(
        role, [], threshold=1, terminating=True, paths=[bundle_path(fleet, "*").removesuffix(".bundle")]
    )
    metadata.signed.delegations = delegations
    for key in engineers:
        metadata.signed.add_key(key, role)
    first = Targets()
    repo.date(role, first)
    repo.stage(role, Metadata(first))
    repo.stage(TARGETS, metadata)
    return role


def _first_root(holders: Holders) -> Root:
    keys = {
        ROOT: holders.root,
        TARGETS: holders.targets,
        SNAPSHOT: [holders.snapshot],
        TIMESTAMP: [holders.timestamp],
    }
    root = Root(
        roles={role: Role([], min(len(each), THRESHOLD)) for role, each in keys.items()},
        consistent_snapshot=True,
        unrecognized_fields={EPOCH_FIELD: 0},
    )
    for role, each in keys.items():
        for key in each:
            root.add_key(key, role)
    return root


def _check_number(what: str, keys: Sequence[Key], least: int) -> None:
    if len(keys) < least:
        raise RepositoryError(f"{what}: expected {least} or more, so that one may be lost, got {len(keys)}; give more")
