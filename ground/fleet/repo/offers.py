"""Offers of bundles to a fleet: made, widened, halted, withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata, TargetFile, Targets

from edge_agent.bundle import Bundle, open_bundle
from edge_agent.bundle_files import read_bundle_file
from edge_agent.load import prove_model
from edge_agent.offer import OFFER_FIELD, Offer, Rollout
from edge_agent.policy import Policy
from edge_agent.startup import today
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.errors import RepositoryError
from ground.fleet.repo.bundle_keys import trusted_keys
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.roles import bundle_path, role_of
from ground.fleet.repo.rotation import epoch_of
from ground.fleet.repo.signing import unsigned_targets

_HASH: Final = "sha256"
_LEAST_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A bundle to offer.

    Attributes:
        bundle: The ``.bundle`` file.
        fleet: The fleet it must be for; empty for the one that its manifest names.
        role: ``active`` or ``shadow``.
        rollout: How far it goes at first.
        allow_development: Whether a development bundle may be offered, to agents that allow it.
    """

    bundle: Path
    fleet: str
    role: str
    rollout: Rollout
    allow_development: bool


def propose(repo: Repository, proposal: Proposal) -> tuple[str, list[str]]:
    """Verify a bundle as an agent does, golden vectors included, and stage its offer.

    Returns:
        The role that must sign, and notes for people.

    Raises:
        BundleError: No agent would run it, or no bundle key of the repository has signed it.
        RepositoryError: The fleet is not there, or the bundle is on offer already, in this role.
    """
    data = read_bundle_file(proposal.bundle)
    prove(repo, proposal, data)
    return propose_content(repo, proposal, data)


def prove(repo: Repository, proposal: Proposal, data: bytes) -> None:
    """Verify the content of a bundle as ``propose`` does; the repository need not be locked for that.

    Raises:
        BundleError: No agent would run it, or no bundle key of the repository has signed it.
    """
    prove_model(_opened(data, proposal, trusted_keys(repo)))


def propose_content(repo: Repository, proposal: Proposal, data: bytes, *, signs: bool = False) -> tuple[str, list[str]]:
    """The same of a bundle that was read and proven already; ``proposal.bundle`` only names it.

    With ``signs``, as in what follows, it is to be signed at once: refused where others have staged what nobody signed.
    """
    # Again, for a key may have been revoked since.
    bundle = _opened(data, proposal, trusted_keys(repo))
    _check_epoch(bundle.manifest.epoch, epoch_of(repo.root))
    fleet = bundle.manifest.fleet
    role = role_of(fleet)
    path = bundle_path(fleet, hashlib.sha256(data).hexdigest())
    offers = offers_of(repo.signed(role))
    if path in offers and offers[path].role == proposal.role:
        raise RepositoryError(
            f"{proposal.bundle}: expected a bundle that is not on offer, got one that is; change it with "
            f"`ground repo rollout {bundle.digest[:_LEAST_DIGITS]} --fleet {fleet}`"
        )
    offer = Offer(
        fleets=(fleet,),
        role=proposal.role,
        bundle_id=bundle.manifest.bundle_id,
        sequence=bundle.manifest.sequence,
        epoch=bundle.manifest.epoch,
        part_number=bundle.manifest.part_number,
        rollout=proposal.rollout,
    )
    target = TargetFile.from_data(path, data, [_HASH])
    metadata = _draft(repo, role, signs=signs)
    metadata.signed.targets[path] = _with(target, offer)
    repo.stage_target(path, data)
    repo.stage(role, metadata)
    return role, _doubts(offer, {name: other for name, other in offers.items() if name != path})


def change_rollout(
    repo: Repository, fleet: str, digest: str, *, signs: bool = False, **changes: Any
) -> tuple[str, Offer]:
    """Stage another rollout of an offer.

    A halt is one person's, in a hurry: it must not publish what others have staged and nobody has signed, so that is
    given up.

    Args:
        repo: The repository.
        fleet: The fleet.
        digest: The bundle's digest, or how it begins.
        signs: Whether it is to be signed at once.
        changes: Fields of ``Rollout``.

    Returns:
        The role that must sign, and the offer as it will be.

    Raises:
        RepositoryError: No such offer, nothing would change, or it would sign what others have staged.
        SpecError: An impossible rollout.
    """
    role = role_of(fleet)
    published = repo.published[role].signed.targets if role in repo.published else {}
    alone = changes.get("halted") is True and any(Path(each).stem.startswith(digest) for each in published)
    metadata = _draft(repo, role, signs=signs, afresh=alone)
    path = find_offer(metadata.signed, fleet, digest)
    offer = offers_of(metadata.signed)[path]
    changed = replace(offer, rollout=replace(offer.rollout, **changes))
    if changed == offer:
        raise RepositoryError(
            f"{path}: expected another rollout, got the one it has (wave {offer.rollout.wave}, "
            f"{offer.rollout.percent:g} %); give --wave, --percent, --halt or --resume"
        )
    metadata.signed.targets[path] = _with(metadata.signed.targets[path], changed)
    repo.stage(role, metadata)
    return role, changed


def withdraw(repo: Repository, fleet: str, digest: str, *, signs: bool = False) -> str:
    """Stage that a bundle is no longer on offer; agents that run it keep it.

    Returns:
        The role that must sign.

    Raises:
        RepositoryError: No such offer, or it would sign what others have staged.
    """
    role = role_of(fleet)
    metadata = _draft(repo, role, signs=signs)
    del metadata.signed.targets[find_offer(metadata.signed, fleet, digest)]
    repo.stage(role, metadata)
    return role


def offers_of(targets: Targets) -> dict[str, Offer]:
    """The offers of a fleet by target path.

    Raises:
        UpdateError: ``offer_malformed``.
    """
    return {
        path: Offer.from_document((target.custom or {}).get(OFFER_FIELD)) for path, target in targets.targets.items()
    }


def find_offer(targets: Targets, fleet: str, digest: str) -> str:
    """The target path of the one offer whose digest begins so.

    Raises:
        RepositoryError: None or several do.
    """
    found = [path for path in targets.targets if path.startswith(bundle_path(fleet, digest).removesuffix(".bundle"))]
    if len(found) != 1 or len(digest) < _LEAST_DIGITS:
        known = ", ".join(Path(path).stem[:_LEAST_DIGITS] for path in targets.targets) or "none"
        raise RepositoryError(
            f"bundle: expected {_LEAST_DIGITS} or more digits that begin one digest on offer to {fleet} ({known}), got "
            f"{digest!r}; `ground repo show` lists them"
        )
    return found[0]


def _draft(repo: Repository, role: str, *, signs: bool, afresh: bool = False) -> Metadata[Targets]:
    others = unsigned_targets(repo, role)
    if signs and others and not afresh:
        raise RepositoryError(
            f"{role}: expected nothing staged that nobody signed, got {', '.join(sorted(others))}; read and sign "
            f"it with `ground repo sign --role {role}`, give it up with `ground repo discard`, or leave out --key to "
            "stage this beside it"
        )
    return repo.draft(role, afresh=afresh)


def _opened(data: bytes, proposal: Proposal, keys: TrustedKeys) -> Bundle:
    return open_bundle(
        data,
        keys=keys,
        policy=Policy(
            fleet=proposal.fleet,
            agent_version=AGENT_VERSION,
            allow_development=proposal.allow_development,
            today=today(),
        ),
    )


def _with(target: TargetFile, offer: Offer) -> TargetFile:
    return TargetFile(target.length, target.hashes, target.path, {"custom": {OFFER_FIELD: offer.document()}})


def _check_epoch(epoch: int, opened: int) -> None:
    if epoch > opened:
        raise RepositoryError(
            f"bundle.epoch: expected {opened} at most, which the root has opened, got {epoch}; `ground repo epoch "
            "raise` first, or export the bundle with that epoch"
        )


def _doubts(offer: Offer, others: Mapping[str, Offer]) -> list[str]:
    higher = [other.bundle_id for other in others.values() if other.rank >= offer.rank]
    if not higher:
        return []
    text = (
        f"its epoch and sequence {offer.epoch}, {offer.sequence} are not above those of {', '.join(higher)}: agents "
        "that have proven one of those refuse it"
    )
    return [text]
