"""What a repository holds: roles, keys, offers, and what waits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.table import Table
from tuf.api.metadata import Metadata, Root, Targets

from edge_agent.offer import Offer
from ground.fleet.repo.bundle_keys import kinds_of
from ground.fleet.repo.changes import changes
from ground.fleet.repo.key_files import name_of
from ground.fleet.repo.offers import offers_of
from ground.fleet.repo.repository import Repository, now
from ground.fleet.repo.roles import DELEGATION, ONLINE, ROOT, TARGETS, delegations_of
from ground.fleet.repo.rotation import epoch_of
from ground.fleet.repo.signing import quorums

SCHEMA = 1


def state_document(repo: Repository) -> dict[str, Any]:
    """The state of a repository as JSON types; ``docs/reference/repository.md`` names the fields."""
    published = repo.published
    return {
        "schema": SCHEMA,
        "epoch": epoch_of(published[ROOT].signed) if published else 0,
        "roles": [
            _role(repo, name) for name in (ROOT, TARGETS, *ONLINE, *delegations_of(published)) if name in published
        ],
        "bundle_keys": _bundle_keys(published[TARGETS]) if published else [],
        "offers": [offer for name in delegations_of(published) for offer in _offers(published[name])],
        "staged": staged_documents(repo),
    }


def staged_documents(repo: Repository) -> list[dict[str, Any]]:
    """What waits in a repository: each staged role, whether it is signed enough, and what it changes."""
    return [_staged(repo, name) for name in sorted(repo.staged)]


def state_tables(document: dict[str, Any]) -> Group:
    """The same for people."""
    roles = Table("role", "version", "expires", "days left", "signatures", "keys", title="Roles")
    for role in document["roles"]:
        roles.add_row(
            role["role"],
            str(role["version"]),
            role["expires"],
            str(role["days_left"]),
            str(role["threshold"]),
            "\n".join(role["keys"]),
        )
    offers = Table("fleet", "bundle", "digest", "role", "epoch", "sequence", "rollout", title="Offers")
    for offer in document["offers"]:
        offers.add_row(
            ", ".join(offer["fleets"]),
            offer["bundle_id"],
            offer["digest"][:8],
            offer["role"],
            str(offer["epoch"]),
            str(offer["sequence"]),
            rollout_words(offer["rollout"]),
        )
    staged = Table("role", "signatures", "changes", title="Waits to be published")
    for waiting in document["staged"]:
        staged.add_row(waiting["role"], "\n".join(waiting["signatures"]), "\n".join(waiting["changes"]))
    keys = Table("key of bundles", "kind", title=f"Epoch {document['epoch']}")
    for key in document["bundle_keys"]:
        keys.add_row(key["hint"], key["kind"])
    return Group(roles, keys, offers, staged)


def rollout_words(rollout: dict[str, Any]) -> str:
    """How far an offer has gone, in words."""
    halted = "halted at " if rollout["halted"] else ""
    return f"{halted}wave {rollout['wave']}, {rollout['percent']:g} %"


def _bundle_keys(targets: Metadata[Targets]) -> list[dict[str, str]]:
    return [{"hint": hint, "kind": kind} for hint, kind in kinds_of(targets.signed).items()]


def _role(repo: Repository, name: str) -> dict[str, Any]:
    delegator: Root | Targets = repo.published[TARGETS if name.startswith(DELEGATION) else ROOT].signed
    role = delegator.get_delegated_role(name)
    signed = repo.published[name].signed
    return {
        "role": name,
        "version": signed.version,
        "expires": signed.expires.isoformat(),
        "days_left": (signed.expires - now()).days,
        "threshold": role.threshold,
        "keys": [name_of(delegator.get_key(keyid)) for keyid in role.keyids],
    }


def _offers(metadata: Metadata[Targets]) -> list[dict[str, Any]]:
    return [_offer(path, offer) for path, offer in offers_of(metadata.signed).items()]


def _offer(path: str, offer: Offer) -> dict[str, Any]:
    digest = path.rpartition("/")[2].removesuffix(".bundle")
    return {"target": path, "digest": digest, **asdict(offer), "fleets": list(offer.fleets)}


def _staged(repo: Repository, name: str) -> dict[str, Any]:
    standing = quorums(repo, name)
    return {
        "role": name,
        "ready": all(each.met for each in standing),
        "signatures": [str(each) for each in standing],
        "changes": changes(repo, name),
    }
