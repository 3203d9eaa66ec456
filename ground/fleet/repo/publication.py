"""Publishing: what is signed enough, under a new snapshot and timestamp, in one step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Timestamp

from ground.errors import RepositoryError
from ground.fleet.repo.online import OnlineKeys
from ground.fleet.repo.rehearsal import rehearse
from ground.fleet.repo.repository import METADATA, TARGET_FILES, Repository, now
from ground.fleet.repo.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, delegations_of
from ground.fleet.repo.selection import Selection, select, select_published
from ground.fleet.repo.signing import quorum

_HASH: Final = "sha256"
_TIMESTAMP_FILE: Final = f"{METADATA}/{TIMESTAMP}.json"

Content = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published.

    Attributes:
        versions: Version by role.
        fresh: Roles that changed, besides snapshot and timestamp.
        held: Staged roles that were not, each with why.
        notes: What people should know.
    """

    versions: Mapping[str, int]
    fresh: tuple[str, ...]
    held: Mapping[str, str]
    notes: tuple[str, ...]


def commit(repo: Repository, online: OnlineKeys) -> Publication:
    """Publish every staged role that is signed enough.

    Raises:
        RepositoryError: Nothing can be published, or a client would refuse it; what is public stays.
        SigningError: An online key is missing.
        OSError: The disk refuses.
    """
    return _publish(repo, online, select(repo))


def refresh(repo: Repository, online: OnlineKeys) -> Publication:
    """Sign snapshot and timestamp anew, and publish nothing else.

    Raises:
        RepositoryError: Nothing was published yet, or a client would refuse it; what is public stays.
        SigningError: An online key is missing.
        OSError: The disk refuses.
    """
    return _publish(repo, online, select_published(repo))


def _publish(repo: Repository, online: OnlineKeys, selection: Selection) -> Publication:
    notes = _check_expiry(selection)
    contents = {role: selection.roles[role].to_bytes() for role in selection.fresh}
    snapshot = _snapshot(repo, selection, contents)
    contents[SNAPSHOT] = _signed(snapshot, SNAPSHOT, selection, online)
    timestamp = _timestamp(repo, snapshot, contents[SNAPSHOT])
    contents[TIMESTAMP] = _signed(timestamp, TIMESTAMP, selection, online)
    roles = {**selection.roles, SNAPSHOT: snapshot, TIMESTAMP: timestamp}
    files = {_file_of(role, roles[role]): content for role, content in contents.items()}
    kept, fresh = _target_files(repo, roles)
    tree = repo.trees.build(
        timestamp.signed.version,
        kept=kept | _kept_metadata(repo),
        fresh={**fresh, **{path: _holding(content) for path, content in files.items()}},
        last=_TIMESTAMP_FILE,
    )
    rehearse(tree, before=repo.trees.public, targets=_living_targets(roles), roles=_living(roles))
    repo.trees.publish(tree)
    _clear_staged(repo, selection)
    versions = {role: metadata.signed.version for role, metadata in sorted(roles.items())}
    return Publication(versions, tuple(sorted(selection.fresh)), selection.held, tuple(notes))


def _check_expiry(selection: Selection) -> list[str]:
    expired = [role for role, metadata in selection.roles.items() if metadata.signed.is_expired(now())]
    for role in expired:
        text = f"{role}: expired on {selection.roles[role].signed.expires:%Y-%m-%d}"
        if role in (ROOT, TARGETS):
            raise RepositoryError(
                f"{text}: expected a day to come, agents take nothing expired; `ground repo renew {role}`, sign, "
                "and commit"
            )
    return [f"{role} has expired: its fleet gets nothing before `ground repo renew {role}`" for role in expired]


def _snapshot(repo: Repository, selection: Selection, contents: Mapping[str, bytes]) -> Metadata[Snapshot]:
    # Entries are never dropped: clients refuse a snapshot that has lost one.
    before: Mapping[str, MetaFile] = repo.published[SNAPSHOT].signed.meta if repo.published else {}
    fresh = {
        f"{role}.json": MetaFile.from_data(selection.roles[role].signed.version, content, [_HASH])
        for role, content in contents.items()
        if role != ROOT
    }
    signed = Snapshot(_next_version(repo, SNAPSHOT), meta={**before, **fresh})
    repo.date(SNAPSHOT, signed)
    return Metadata(signed)


def _timestamp(repo: Repository, snapshot: Metadata[Snapshot], content: bytes) -> Metadata[Timestamp]:
    meta = MetaFile.from_data(snapshot.signed.version, content, [_HASH])
    signed = Timestamp(_next_version(repo, TIMESTAMP), snapshot_meta=meta)
    repo.date(TIMESTAMP, signed)
    return Metadata(signed)


def _next_version(repo: Repository, role: str) -> int:
    return int(repo.published[role].signed.version) + 1 if repo.published else 1


def _signed(metadata: Metadata[Any], role: str, selection: Selection, online: OnlineKeys) -> bytes:
    root: Root = selection.roles[ROOT].signed
    metadata.sign(online.signer(role, root.roles[role].keyids))
    if not quorum(selection.roles[ROOT], role, metadata).met:
        raise RepositoryError(f"{role}: expected a threshold of one online key, got more; correct the root")
    return metadata.to_bytes()


def _file_of(role: str, metadata: Metadata[Any]) -> str:
    return _TIMESTAMP_FILE if role == TIMESTAMP else f"{METADATA}/{metadata.signed.version}.{role}.json"


def _kept_metadata(repo: Repository) -> set[str]:
    """Every root there was, and the versions that a client in the middle of an update may still ask for."""
    if not repo.published:
        return set()
    current = {_file_of(role, metadata) for role, metadata in repo.published.items() if role != TIMESTAMP}
    roots = {f"{METADATA}/{path.name}" for path in (repo.trees.public / METADATA).glob(f"*.{ROOT}.json")}
    return current | roots


def _target_files(repo: Repository, roles: Mapping[str, Metadata[Any]]) -> tuple[set[str], dict[str, Content]]:
    """Target files that the next tree shares with the public one, and those it gets from what is staged."""
    wanted = {_target_file(target): target for target in _all_targets(roles)}
    before = {_target_file(target) for target in _all_targets(repo.published)}
    here = {path for path in wanted.keys() | before if (repo.trees.public / path).is_file()}
    return here, {path: _staged_content(repo, target) for path, target in wanted.items() if path not in here}


def _all_targets(roles: Mapping[str, Metadata[Any]]) -> list[TargetFile]:
    names = [TARGETS, *delegations_of(roles)]
    return [target for name in names if name in roles for target in roles[name].signed.targets.values()]


def _living(roles: Mapping[str, Metadata[Any]]) -> list[str]:
    return [name for name in delegations_of(roles) if not roles[name].signed.is_expired(now())]


def _living_targets(roles: Mapping[str, Metadata[Any]]) -> list[str]:
    return [path for name in (TARGETS, *_living(roles)) for path in roles[name].signed.targets]


def _target_file(target: TargetFile) -> str:
    folder, _, name = target.path.rpartition("/")
    return f"{TARGET_FILES}/{folder}/{target.hashes[_HASH]}.{name}"


def _staged_content(repo: Repository, target: TargetFile) -> Content:
    path: Path = repo.target_files / target.path

    def read() -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RepositoryError(
                f"{path}: expected the content of target {target.path}, got {error.strerror}; publish it again"
            ) from error
        if len(content) != target.length or TargetFile.from_data("", content, [_HASH]).hashes != target.hashes:
            raise RepositoryError(f"{path}: expected the content that was signed, got another; publish it again")
        return content

    return read


def _clear_staged(repo: Repository, selection: Selection) -> None:
    for role in selection.fresh:
        repo.discard(role)
    if not repo.staged:
        shutil.rmtree(repo.target_files, ignore_errors=True)


def _holding(content: bytes) -> Content:
    return lambda: content
