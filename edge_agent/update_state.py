"""What the updater knows, and what follows from what it sees: decided here, without a disk, a clock or a network.

The TUF client remembers versions in files that it never syncs; these floors are ours, and outlive a power cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from edge_agent.errors import UpdateError
from shared_features.parse import from_mapping

SCHEMA: Final = 1
RETIRED_KEPT: Final = 32
"""So many retired keys are remembered; what they signed and still lies in a slot may go on."""


@dataclass(frozen=True, slots=True)
class RoleFloor:
    """What was last seen of a role of the repository.

    Attributes:
        role: Its name.
        version: Version of its metadata.
        keys: Identifiers of the keys it had, sorted. Once one is taken from it, its versions may start anew: a thief of
            that key may have signed version 2^31.
        signed_s: When its metadata says it was signed, Unix time; 0 where it does not.
    """

    role: str
    version: int
    keys: tuple[str, ...]
    signed_s: int = 0


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A public key that signs bundles.

    Attributes:
        hint: Hex sha256 of its PEM form.
        pem: The PEM form.
    """

    hint: str
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateState:
    """All that the updater knows; a new one for each event.

    Attributes:
        generation: Grows by one with each state that is written.
        anchor: Hex sha256 of the ``root.json`` that the config names.
        root_version: Newest root metadata seen; 0 for none.
        root_sha256: Its hex sha256.
        roles: What was seen of each role.
        accepted: Keys of the repository that sign bundles now.
        retired: Keys that did so once, oldest first.
        revoked: Hints of keys that must never be accepted again, in the config or not.
        taken: Digest of the bundle that was activated last; left again, it is not taken a second time.
    """

    generation: int = 0
    anchor: str = ""
    root_version: int = 0
    root_sha256: str = ""
    roles: tuple[RoleFloor, ...] = ()
    accepted: tuple[SignerKey, ...] = ()
    retired: tuple[SignerKey, ...] = ()
    revoked: tuple[str, ...] = ()
    taken: str = ""

    def document(self) -> dict[str, Any]:
        """The state as JSON types."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_document(cls, document: Any) -> UpdateState:
        """Read ``document``.

        Raises:
            ValueError: Not a state of this schema.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f"update state: expected schema {SCHEMA}, got another one; do not use this file")
        return from_mapping(cls, {key: value for key, value in document.items() if key != "schema"}, where="state")


def see_root(state: UpdateState, *, anchor: str, chain: Mapping[int, str]) -> UpdateState:
    """Take the newest root of a verified chain.

    Args:
        state: Before.
        anchor: Hex sha256 of the pinned root.
        chain: Hex sha256 of each root by version, from the pinned one on.

    Raises:
        UpdateError: ``rollback``: the chain ends before the root that was seen; ``root_forked``: it leads past it. Not
            where another root was pinned: whoever may write the config decides.
    """
    newest = max(chain)
    is_known = state.root_version == 0 or chain.get(state.root_version) == state.root_sha256
    if not is_known and anchor == state.anchor:
        raise UpdateError(
            "rollback" if newest < state.root_version else "root_forked",
            f"root: expected a chain by way of version {state.root_version} ({state.root_sha256[:16]}), got one to "
            f"version {newest} without it; this is not the repository that was seen before",
        )
    return replace(state, anchor=anchor, root_version=newest, root_sha256=chain[newest])


def see_roles(state: UpdateState, seen: tuple[RoleFloor, ...]) -> UpdateState:
    """Raise the floors of roles.

    Raises:
        UpdateError: ``rollback``: an older version than was seen, under the same keys.
    """
    floors = {floor.role: floor for floor in state.roles}
    for role in seen:
        before = floors.get(role.role, role)
        if not _same_keys(before, role):
            before = role
        if role.version < before.version:
            raise UpdateError(
                "rollback",
                f"{role.role}: expected version {before.version} or later, got {role.version}; this repository is an "
                "old copy: bring a newer one",
            )
        floors[role.role] = replace(role, signed_s=max(role.signed_s, before.signed_s))
    return replace(state, roles=tuple(floors[name] for name in sorted(floors)))


def time_floor_s(state: UpdateState, keys: Mapping[str, tuple[str, ...]]) -> int:
    """The earliest that it can be, by what was signed; 0 where nothing says.

    Args:
        state: What was seen.
        keys: The keys that the root now gives to each role. A time that a key taken from its role has signed does not
            count any more.
    """
    believed = [floor for floor in state.roles if set(floor.keys) <= set(keys.get(floor.role, ()))]
    return max((floor.signed_s for floor in believed), default=0)


def see_keys(state: UpdateState, offered: tuple[SignerKey, ...], revoked: tuple[str, ...]) -> UpdateState:
    """Accept exactly the keys that the repository lists; what it revokes stays revoked."""
    refused = tuple(sorted({*state.revoked, *revoked}))
    accepted = tuple(sorted((key for key in offered if key.hint not in refused), key=lambda key: key.hint))
    gone = [key for key in (*state.retired, *state.accepted) if key not in accepted]
    retired = tuple(dict.fromkeys(gone))[-RETIRED_KEPT:]
    return replace(state, accepted=accepted, retired=retired, revoked=refused)


def _same_keys(before: RoleFloor, now: RoleFloor) -> bool:
    return set(before.keys) <= set(now.keys)
