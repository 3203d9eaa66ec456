"""A TUF repository as the agent sees it: walked by python-tuf, in a folder that is thrown away, above our own floors.

The only file beside ``update_fetch`` that knows python-tuf.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tuf.api import exceptions
from tuf.api.metadata import Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from edge_agent.errors import RepositoryUnreachable, UpdateError
from edge_agent.layout import BUNDLE_CAP
from edge_agent.offer import EPOCH_FIELD, OFFER_FIELD, SIGNED_FIELD, Offer
from edge_agent.signers import signer_key
from edge_agent.update_choice import Offered
from edge_agent.update_fetch import CutShort, RepositoryFetcher
from edge_agent.update_state import RoleFloor, SignerKey

METADATA: Final = "metadata"
TARGETS: Final = "targets"
BUNDLE_KEY: Final = "bundle-key"
REVOKED_KEY: Final = "revoked-bundle-key"
MOST_KEYS: Final = 64
_TOP: Final = (Timestamp.type, Snapshot.type, Targets.type)
_KEY_CAP: Final = 16 * 1024
_KEY = re.compile(r"keys/([0-9a-f]{64})\.pem")
_BUNDLE = re.compile(r"bundles/[A-Za-z0-9_.-]+/([0-9a-f]{64})\.bundle")
_KIB: Final = 1024
_CAPS: Final = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=8,
    root_max_length=256 * _KIB,
    timestamp_max_length=16 * _KIB,
    snapshot_max_length=256 * _KIB,
    targets_max_length=1024 * _KIB,
)


@dataclass(frozen=True, slots=True)
class KeyList:
    """What the repository says of keys that sign bundles.

    Attributes:
        accepted: Hints of those that do.
        revoked: Hints of those that never may again.
    """

    accepted: tuple[str, ...]
    revoked: tuple[str, ...]


class Repository:
    """One walk through a repository; a new one for each.

    Args:
        location: Its address or folder, as ``RepositoryFetcher`` takes it; metadata lies in ``metadata``, the files
            in ``targets``.
        root: The pinned ``root.json``.
        work: An empty folder for the client's own files.
        deadline_s: Monotonic time at which all reading ends.

    Raises:
        UpdateError: ``bad_root``: the pinned root is none.
    """

    def __init__(self, location: str, root: bytes, work: Path, deadline_s: float) -> None:
        self._work = work
        try:
            self._client = Updater(
                str(work),
                f"{METADATA}/",
                target_base_url=f"{TARGETS}/",
                fetcher=RepositoryFetcher(location, deadline_s),
                config=_CAPS,
                bootstrap=root,
            )
        except (exceptions.RepositoryError, ValueError) as error:
            raise UpdateError(
                "bad_root", f"update.root: expected the root.json of `ground repo init`, got {error}; install it again"
            ) from error

    # python-tuf has no public face for these: the walk in steps, the time it is held against, and what it found. The
    # major version is pinned, and the attacks in tests/security/test_tuf_attacks.py need each of them.

    def walk_root(self) -> dict[int, str]:
        """Follow the chain of roots; hex sha256 of each by version, from the pinned one on.

        Raises:
            UpdateError: A root is not signed as the one before demands, or skips a version.
        """
        with _told("root_version_gap"):
            self._client._load_root()  # noqa: SLF001 - see above
        history = self._work / "root_history"
        chain = {int(path.name.split(".")[0]): path.read_bytes() for path in history.glob("*.root.json")}
        return {version: hashlib.sha256(content).hexdigest() for version, content in chain.items()}

    def refresh(self, clock: datetime, role: str, path: str) -> None:
        """Verify timestamp, snapshot, targets, and the role that a path is delegated to.

        Args:
            clock: What counts as now.
            role: The role; its metadata is there only where targets delegates to it.
            path: Any path that is the role's.

        Raises:
            UpdateError: Refused.
            RepositoryUnreachable: It did not answer, or not in time.
        """
        self._trusted.reference_time = clock
        with _told("mix_and_match"):
            self._client.refresh()
            if self._delegates(role):
                self._client.get_targetinfo(path)
                if role not in self._trusted:
                    raise UpdateError("malformed", f"targets: expected {path} delegated to {role}, got it elsewhere")

    @property
    def epoch(self) -> int:
        """The epoch that the root states; 0 where it does not.

        Raises:
            UpdateError: ``malformed``: it is no number from 0.
        """
        epoch = self._root.unrecognized_fields.get(EPOCH_FIELD, 0)
        if type(epoch) is not int or epoch < 0:
            raise UpdateError("malformed", f"root: expected {EPOCH_FIELD} of 0 or more, got {epoch!r}; sign it again")
        return epoch

    @property
    def expires(self) -> datetime:
        """When the first of the metadata seen ends."""
        ends: list[datetime] = [self._trusted[role].expires for role in (Root.type, *_TOP)]
        return min(ends)

    def role_keys(self) -> dict[str, tuple[str, ...]]:
        """Identifiers of the keys of each top-level role."""
        return {name: tuple(sorted(self._root.roles[name].keyids)) for name in _TOP}

    def roles(self, delegated: str) -> tuple[RoleFloor, ...]:
        """What was seen of each role, the delegated one among them if there is such."""
        floors = [_floor(name, self._trusted[name], keys) for name, keys in self.role_keys().items()]
        if self._delegates(delegated):
            keys = tuple(sorted(self._delegation(delegated).keyids))
            floors.append(_floor(delegated, self._targets(delegated), keys))
        return tuple(floors)

    def offers(self, role: str) -> tuple[Offered, ...]:
        """The bundles that a role offers.

        Raises:
            UpdateError: ``outside_path``: it lists what was not delegated to it; ``malformed``: no offer.
        """
        if not self._delegates(role):
            return ()
        found = self._targets(role).targets
        for path in found:
            if not self._delegation(role).is_delegated_path(path):
                raise UpdateError(
                    "outside_path", f"{role}: expected only paths delegated to it, got {path!r}; sign it again without"
                )
        return tuple(_offered(path, target) for path, target in sorted(found.items()))

    def keys(self) -> KeyList:
        """What the top-level targets role says of keys that sign bundles.

        Raises:
            UpdateError: ``malformed``: more keys than anybody needs.
        """
        listed = [
            (match[1], _custom(target))
            for path, target in self._targets(Targets.type).targets.items()
            if (match := _KEY.fullmatch(path))
        ]
        if len(listed) > MOST_KEYS:
            raise UpdateError(
                "malformed", f"targets: expected at most {MOST_KEYS} keys, got {len(listed)}; remove some"
            )
        kinds = {hint: custom.get("kind") for hint, custom in listed}
        return KeyList(*(tuple(hint for hint in kinds if kinds[hint] == kind) for kind in (BUNDLE_KEY, REVOKED_KEY)))

    def key(self, hint: str) -> SignerKey:
        """Fetch and verify a key.

        Raises:
            UpdateError: Not what the metadata says, or no such key.
            RepositoryUnreachable: It did not answer, or not in time.
        """
        path = self._work / f"{hint}.pem"
        self._download(f"keys/{hint}.pem", path, cap=_KEY_CAP)
        return signer_key(path.read_bytes(), hint)

    def bundle(self, offered: Offered, path: Path) -> bool:
        """Fetch the bytes of a bundle to ``path``; verified by length and hash.

        Returns:
            Whether they were fetched: they may be there already.

        Raises:
            UpdateError: Not what the metadata says.
            RepositoryUnreachable: It did not answer, or not in time.
        """
        return self._download(offered.path, path, cap=BUNDLE_CAP)

    def _download(self, name: str, path: Path, *, cap: int) -> bool:
        with _told("mix_and_match"):
            target = self._client.get_targetinfo(name)
            if target is None or target.length > cap:
                raise UpdateError(
                    "too_long",
                    f"{name}: expected at most {cap} bytes, got {target.length if target else 0}; publish less",
                )
            if self._client.find_cached_target(target, str(path)):
                return False
            # Root may have left one that the agent's user cannot write over.
            path.unlink(missing_ok=True)
            self._client.download_target(target, str(path))
            return True

    @property
    def _trusted(self) -> Any:
        return self._client._trusted_set  # noqa: SLF001 - see above

    @property
    def _root(self) -> Root:
        root: Root = self._trusted.root
        return root

    def _targets(self, role: str) -> Targets:
        targets: Targets = self._trusted[role]
        return targets

    def _delegates(self, role: str) -> bool:
        delegations = self._targets(Targets.type).delegations
        return delegations is not None and role in (delegations.roles or {})

    def _delegation(self, role: str) -> Any:
        delegations = self._targets(Targets.type).delegations
        return delegations.roles[role] if delegations and delegations.roles else None


def _floor(name: str, signed: Signed, keys: tuple[str, ...]) -> RoleFloor:
    # Never beyond its own end: a floor must not make what is valid expire.
    return RoleFloor(name, signed.version, keys, min(_signed_s(signed), int(signed.expires.timestamp())))


def _signed_s(signed: Signed) -> int:
    text = signed.unrecognized_fields.get(SIGNED_FIELD)
    try:
        return int(datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()) if text else 0
    except ValueError as error:
        raise UpdateError("malformed", f"{signed.type}: {SIGNED_FIELD}: {error}; sign it again") from error


def _custom(target: TargetFile) -> Mapping[str, Any]:
    custom = (target.custom or {}).get(OFFER_FIELD)
    return custom if isinstance(custom, dict) else {}


def _offered(path: str, target: TargetFile) -> Offered:
    match = _BUNDLE.fullmatch(path)
    if not match or target.hashes.get("sha256") != match[1]:
        raise UpdateError(
            "malformed", f"{path}: expected bundles/<fleet>/<sha256>.bundle of that very sha256; publish it again"
        )
    try:
        return Offered(path, match[1], target.length, Offer.from_document((target.custom or {}).get(OFFER_FIELD)))
    except UpdateError as error:
        raise UpdateError(error.reason, f"{path}: {error}") from error


@contextmanager
def _told(wrong_version: str) -> Iterator[None]:
    """Tells in our words why python-tuf refuses."""
    try:
        yield
    except exceptions.SlowRetrievalError as error:
        raise RepositoryUnreachable(
            "deadline", f"repository: expected all of it in time, got {error}; look at the link, or raise deadline_s"
        ) from error
    except (exceptions.RepositoryError, exceptions.DownloadError) as error:
        raise _refusal(error, wrong_version) from error
    except OSError as error:
        raise UpdateError(
            "disk_error", f"update: expected a disk that takes it, got {error}; make room or mend it, then try again"
        ) from error


def _refusal(error: Exception, wrong_version: str) -> UpdateError:
    reasons = (
        (exceptions.ExpiredMetadataError, "expired"),
        (exceptions.BadVersionNumberError, wrong_version),
        (exceptions.LengthOrHashMismatchError, "hash_mismatch"),
        (exceptions.UnsignedMetadataError, "under_threshold"),
        (exceptions.RepositoryError, "malformed"),
        (exceptions.DownloadLengthMismatchError, "too_long"),
    )
    for kind, reason in reasons:
        if isinstance(error, kind):
            return UpdateError(reason, f"repository: expected metadata that holds, got: {error}; nothing was taken")
    if isinstance(error, exceptions.DownloadHTTPError):
        text = f"repository: expected a file, got {error}; is it whole, and is this its place?"
        return RepositoryUnreachable("missing", text)
    reason = "cut_short" if isinstance(error, CutShort) else "unreachable"
    return RepositoryUnreachable(reason, f"repository: expected an answer, got {error}; it is tried again later")
