"""Other keys, other expiries, another epoch: what changes the root, or a delegation."""

from __future__ import annotations

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Targets

from edge_agent.offer import EPOCH_FIELD
from ground.errors import RepositoryError
from ground.fleet.repo.key_files import name_of
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.roles import DELEGATION, ONLINE, ROOT, TARGETS, check_fresh, keys_in_use


def rotate_key(repo: Repository, role: str, *, old: str, new: Key) -> list[str]:
    """Stage that one key of a role gives way to another.

    Args:
        repo: The repository.
        role: ``root``, ``targets``, ``snapshot``, ``timestamp`` or ``bundles-<fleet>``.
        old: Name or id of the key that goes, or how the id begins.
        new: The key that comes; no other role may have it.

    Returns:
        The roles that must be signed: the one that names the keys, and the one whose keys they are.

    Raises:
        RepositoryError: No such role or key, or the new key is used already.
    """
    repo.signed(ROOT)
    if role not in ONLINE:
        repo.signed(role)
    check_fresh([new], keys_in_use(repo.latest))
    above = TARGETS if role.startswith(DELEGATION) else ROOT
    delegator: Metadata[Root] | Metadata[Targets] = repo.draft(above)
    delegator.signed.revoke_key(_find(delegator.signed, role, old), role)
    delegator.signed.add_key(new, role)
    repo.stage(above, delegator)
    if role in ONLINE or role == above:
        return [above]
    # Of the old signatures one may be by the key that goes.
    repo.stage(role, repo.draft(role))
    return [above, role]


def renew(repo: Repository, role: str) -> None:
    """Stage the next version of a role, as it is, with a new expiry.

    Raises:
        RepositoryError: No such role, or an online one.
    """
    if role in ONLINE:
        raise RepositoryError(f"role: expected an offline role, got {role}; `ground repo refresh` signs it")
    repo.stage(role, repo.draft(role))


def raise_epoch(repo: Repository) -> int:
    """Stage the next epoch: agents count sequences anew.

    Returns:
        The epoch. Raising it twice before it is published raises it once.

    Raises:
        RepositoryError: Nothing is published: a new repository has nothing to recover from.
    """
    if ROOT not in repo.published:
        raise RepositoryError("epoch: expected a published repository, got a new one; publish it first")
    epoch = epoch_of(repo.published[ROOT].signed) + 1
    metadata: Metadata[Root] = repo.draft(ROOT)
    metadata.signed.unrecognized_fields[EPOCH_FIELD] = epoch
    repo.stage(ROOT, metadata)
    return epoch


def epoch_of(root: Root) -> int:
    """The epoch that a root names; 0 where it names none.

    Raises:
        RepositoryError: Something else than a count.
    """
    epoch = root.unrecognized_fields.get(EPOCH_FIELD, 0)
    if type(epoch) is not int or epoch < 0:
        raise RepositoryError(f"root.{EPOCH_FIELD}: expected an integer from 0, got {epoch!r}; correct the root")
    return epoch


def _find(delegator: Root | Targets, role: str, old: str) -> str:
    keyids = delegator.get_delegated_role(role).keyids
    names = {keyid: name_of(delegator.get_key(keyid)) for keyid in keyids}
    found = [keyid for keyid, name in names.items() if old and (keyid.startswith(old) or name.split(" ")[0] == old)]
    if len(found) != 1:
        raise RepositoryError(
            f"{role}: expected name or id of a key of it ({', '.join(names.values())}), got {old!r}; correct --old"
        )
    return found[0]
