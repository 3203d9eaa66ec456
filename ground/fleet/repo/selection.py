"""Which staged roles can be published now: never one with too few signatures, never half of what belongs together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata

from ground.errors import RepositoryError
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.roles import ROOT, TARGETS, delegations_of
from ground.fleet.repo.signing import quorum, quorums


@dataclass(frozen=True, slots=True)
class Selection:
    """The roles of the next publication, all of which verify from the root down.

    Attributes:
        roles: Metadata of root, targets and every delegated role.
        fresh: The roles whose metadata is staged.
        held: The other staged roles, each with why it stays.
    """

    roles: Mapping[str, Metadata[Any]]
    fresh: frozenset[str]
    held: Mapping[str, str]


def select(repo: Repository) -> Selection:
    """Choose as much as can be published: what is not signed enough does not hold up the rest.

    Raises:
        RepositoryError: There is no root and no targets with enough signatures at all.
    """
    # A root may need targets that were signed anew for it, and targets may need new offers of a fleet: what is staged
    # is tried first, then what is published.
    for root, targets in itertools.product(_versions(repo, ROOT), _versions(repo, TARGETS)):
        roles = _from(repo, root, targets)
        if roles:
            fresh = frozenset(name for name, metadata in roles.items() if metadata is repo.staged.get(name))
            held = {name: _why(repo, name) for name in sorted(set(repo.staged) - fresh)}
            return Selection(roles, fresh, held)
    reasons = "; ".join(f"{name}: {_why(repo, name)}" for name in sorted(repo.staged)) or "nothing is staged"
    raise RepositoryError(
        f"{repo.folder}: expected root, targets and fleets that are signed enough, got {reasons}; sign with "
        "`ground repo sign`"
    )


def select_published(repo: Repository) -> Selection:
    """What is published already.

    Raises:
        RepositoryError: Nothing is.
    """
    if not repo.published:
        raise RepositoryError(f"{repo.folder}: expected a published repository, got a new one; `ground repo commit`")
    names = [ROOT, TARGETS, *delegations_of(repo.published)]
    return Selection({name: repo.published[name] for name in names}, frozenset(), {})


def _versions(repo: Repository, role: str) -> list[Metadata[Any]]:
    return [state[role] for state in (repo.staged, repo.published) if role in state]


def _from(repo: Repository, root: Metadata[Any], targets: Metadata[Any]) -> dict[str, Metadata[Any]]:
    """All roles under this root and these targets; empty where one of them has no version that verifies."""
    if not _root_follows(repo, root) or not quorum(root, TARGETS, targets).met:
        return {}
    roles = {ROOT: root, TARGETS: targets}
    for name in delegations_of(roles):
        sound = [each for each in _versions(repo, name) if quorum(targets, name, each).met]
        if not sound:
            return {}
        roles[name] = sound[0]
    return roles


def _root_follows(repo: Repository, root: Metadata[Any]) -> bool:
    """Whether agents that have the published root take this one."""
    if ROOT not in repo.published:
        return root.signed.version == 1 and quorum(root, ROOT, root).met
    before = repo.published[ROOT]
    if root is before:
        return True
    follows = bool(root.signed.version == before.signed.version + 1)
    return follows and all(quorum(each, ROOT, root).met for each in (before, root))


def _why(repo: Repository, role: str) -> str:
    lacking = [str(each) for each in quorums(repo, role) if not each.met]
    return "; ".join(lacking) or "waits for another role that is staged"
