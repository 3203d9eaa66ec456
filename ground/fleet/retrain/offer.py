"""Offering a retrained detector to its fleet, as a shadow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_agent.bundle_files import read_bundle_file
from edge_agent.offer import SHADOW, Rollout
from ground.errors import SigningError
from ground.fleet.repo.offers import Proposal, offers_of, propose_content, prove
from ground.fleet.repo.options import Keys, read_keys, say, sign_and_publish
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.roles import bundle_path, role_of
from ground.fleet.repo.signing import unsigned_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where offers are made, and with whose keys.

    Attributes:
        repo: Folder of the update repository.
        rollout: How far the offer goes at first.
        key: Key of the fleet's bundles role; none leaves the offer staged, for its holders to sign.
        password: File with its password.
        online: Folder with the keys of snapshot and timestamp; none leaves the offer unpublished.
        online_password: File with their password.
    """

    repo: Path
    rollout: Rollout
    key: Path | None
    password: Path
    online: Path | None
    online_password: Path


def check_desk(desk: Desk, fleet: str) -> None:
    """Refuse a desk at which nothing can be offered, before hours of work.

    Raises:
        RepositoryError: No repository, or one that does not know the fleet.
        SigningError: No such key.
    """
    Repository(desk.repo).signed(role_of(fleet))
    for path in (desk.key, desk.online):
        if path is not None and not path.exists():
            raise SigningError(f"{path}: expected a key, got nothing; check the path")


def offer_shadow(desk: Desk, bundle: Path, fleet: str) -> bool:
    """Stage the offer of a bundle with role ``shadow``, sign and publish it as far as keys are given.

    An offer that is there already is left as it is, but for signatures that it lacks. Where others have staged what
    nobody signed, it is staged beside that, and signed by a person.

    Args:
        desk: Where, and with whose keys.
        bundle: The ``.bundle`` file.
        fleet: The fleet it is made for.

    Returns:
        Whether agents can see it.

    Raises:
        BundleError: No agent would run it.
        RepositoryError: The repository cannot take the offer.
        SigningError: A key is missing or unfit.
    """
    content = read_bundle_file(bundle)
    path = bundle_path(fleet, hashlib.sha256(content).hexdigest())
    role = role_of(fleet)
    if _is_public(Repository(desk.repo), role, path):
        return True
    keys = read_keys(
        desk.repo, key=desk.key, password=desk.password, online=desk.online if desk.key else None,
        online_password=desk.online_password,
    )  # fmt: skip
    proposal = Proposal(bundle=bundle, fleet=fleet, role=SHADOW, rollout=desk.rollout, allow_development=False)
    prove(Repository(desk.repo), proposal, content)
    with Repository.opened(desk.repo) as repo:
        if _is_public(repo, role, path):
            return True
        others = _others(repo, role, path, desk)
        if path not in offers_of(repo.signed(role)):
            say(propose_content(repo, proposal, content)[1])
        if others:
            say([f"{role}: staged, not signed: others have staged what nobody signed: {', '.join(sorted(others))}"])
        sign_and_publish(repo, role, Keys(None, None) if others else keys)
    return _is_public(Repository(desk.repo), role, path)


def _others(repo: Repository, role: str, path: str, desk: Desk) -> frozenset[str]:
    """Targets staged, not signed, and no doing of this command."""
    found = unsigned_targets(repo, role)
    offer = offers_of(repo.signed(role)).get(path)
    is_own = offer is not None and (offer.role, offer.rollout) == (SHADOW, desk.rollout)
    return found - {path} if is_own else found


def _is_public(repo: Repository, role: str, path: str) -> bool:
    return role in repo.published and path in repo.published[role].signed.targets
