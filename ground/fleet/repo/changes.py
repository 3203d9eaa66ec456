"""What a staged version of a role changes, in words: whoever signs reads this first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuf.api.metadata import Root, TargetFile, Targets

from edge_agent.offer import OFFER_FIELD
from ground.fleet.repo.key_files import name_of
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.rotation import epoch_of
from ground.fleet.repo.signing import staged


def changes(repo: Repository, role: str) -> list[str]:
    """What is staged of a role, against what is published.

    Raises:
        RepositoryError: Nothing is staged.
    """
    signed = staged(repo, role).signed
    describe: Callable[[Any], dict[str, str]] = _of_root if isinstance(signed, Root) else _of_targets
    before = describe(repo.published[role].signed) if role in repo.published else {}
    return [f"version {signed.version}, valid until {signed.expires:%Y-%m-%d}", *_difference(before, describe(signed))]


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    gone = [f"- {what}: {value}".rstrip(": ") for what, value in before.items() if what not in after]
    new = [f"+ {what}: {value}".rstrip(": ") for what, value in after.items() if what not in before]
    other = [
        f"! {what}: {value}, was {before[what]}" for what, value in after.items() if before.get(what, value) != value
    ]
    return gone + new + other


def _of_root(root: Root) -> dict[str, str]:
    thresholds = {f"threshold of {name}": str(role.threshold) for name, role in root.roles.items()}
    keys = {
        f"key of {name}: {name_of(root.keys[keyid])}": "" for name, role in root.roles.items() for keyid in role.keyids
    }
    return {"epoch": str(epoch_of(root)), **thresholds, **keys}


def _of_targets(targets: Targets) -> dict[str, str]:
    facts = {path: _of_target(target) for path, target in targets.targets.items()}
    roles = (targets.delegations.roles or {}) if targets.delegations else {}
    for name, role in roles.items():
        facts[f"fleet role {name}"] = f"threshold {role.threshold}, paths {', '.join(role.paths or ())}"
        facts |= {f"key of {name}: {name_of(targets.get_key(keyid))}": "" for keyid in role.keyids}
    return facts


def _of_target(target: TargetFile) -> str:
    document = (target.custom or {}).get(OFFER_FIELD, {})
    rollout = document.get("rollout")
    if rollout is None:
        return str(document.get("kind", "?"))
    state = ", halted" if rollout["halted"] else ""
    what = f"{document['bundle_id']} epoch {document['epoch']} sequence {document['sequence']}, {document['role']}"
    return f"{what}, wave {rollout['wave']}, {rollout['percent']:g} %{state}"
