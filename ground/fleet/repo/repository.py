"""An update repository in a folder: what is public, what waits for signatures, and its settings."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata, Root, Signed, Snapshot, Targets

from edge_agent.offer import SIGNED_FIELD
from edge_agent.slots_disk import locked, make_folder, write_durably
from ground.errors import RepositoryError
from ground.fleet.repo.metadata_file import legible, read_metadata
from ground.fleet.repo.roles import ONLINE, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from ground.fleet.repo.settings import read_lifetimes
from ground.fleet.repo.tree import Trees

STAGED: Final = "staged"
METADATA: Final = "metadata"
TARGET_FILES: Final = "targets"


class Repository:
    """One repository, as it lies on disk now.

    Attributes:
        folder: Holds ``repo.json``, ``staged/``, ``trees/`` and the link ``public``.
        lifetimes: How long what is signed stays valid.
        trees: The published files.
        published: Metadata by role; empty before the first publication.
        staged: Metadata by role that waits for signatures, or to be published.
        target_files: The staged content of targets.

    Raises:
        RepositoryError: No repository, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lifetimes = read_lifetimes(folder)
        self.trees = Trees(folder)
        self._staged_folder = folder / STAGED
        self.published: Mapping[str, Metadata[Any]] = _read_published(self.trees.public)
        self.staged: Mapping[str, Metadata[Any]] = _read_staged(self._staged_folder, self.published)
        self.target_files = self._staged_folder / TARGET_FILES

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Repository]:
        """Open to change it; nobody else changes it meanwhile.

        Raises:
            RepositoryError: No repository, or a damaged one.
            SlotRefused: ``busy``.
        """
        read_lifetimes(folder)
        with locked(folder):
            yield cls(folder)

    @property
    def latest(self) -> dict[str, Metadata[Any]]:
        """Metadata by role, the staged one where there is one."""
        return {**self.published, **self.staged}

    @property
    def root(self) -> Root:
        """The latest root, which may lack signatures."""
        root: Root = self.signed(ROOT)
        return root

    @property
    def targets(self) -> Targets:
        """The latest top-level targets, which may lack signatures."""
        targets: Targets = self.signed(TARGETS)
        return targets

    def signed(self, role: str) -> Any:
        """What the latest metadata of a role says.

        Raises:
            RepositoryError: No such role.
        """
        if role not in self.latest:
            known = ", ".join(sorted(set(self.latest) - set(ONLINE))) or "none"
            raise RepositoryError(f"role: expected one of {known}, got {role}; `ground repo show` lists them")
        return self.latest[role].signed

    def draft(self, role: str, *, afresh: bool = False) -> Metadata[Any]:
        """Metadata to change and stage: what is staged, or the next version of what is published.

        With ``afresh`` always the latter, where there is one: what is staged and not published is given up.

        It has no signatures, is dated today, and expires a lifetime from now.
        """
        self.signed(role)
        begins_anew = role not in self.staged or (afresh and role in self.published)
        metadata = copy.deepcopy(self.published[role] if begins_anew else self.staged[role])
        if begins_anew:
            metadata.signed.version += 1
        metadata.signatures.clear()
        self.date(role, metadata.signed)
        return metadata

    def date(self, role: str, signed: Signed) -> None:
        """Write when a role is made, and when it expires: a lifetime later."""
        made = now()
        signed.expires = made + self.lifetimes.of(role)
        if role != ROOT:
            signed.unrecognized_fields[SIGNED_FIELD] = f"{made:%Y-%m-%dT%H:%M:%SZ}"

    def stage(self, role: str, metadata: Metadata[Any]) -> None:
        """Put metadata beside the public tree, to be signed and published.

        Raises:
            OSError: The disk refuses.
        """
        make_folder(self._staged_folder)
        write_durably(self.staged_file(role), legible(metadata))
        self.staged = {**self.staged, role: metadata}

    def stage_target(self, path: str, content: bytes) -> None:
        """Put the content of a target beside the public tree.

        Raises:
            OSError: The disk refuses.
        """
        make_folder(self._staged_folder)
        folder = self.target_files
        make_folder(folder)
        for part in Path(path).parent.parts:
            folder /= part
            make_folder(folder)
        write_durably(self.target_files / path, content)

    def staged_file(self, role: str) -> Path:
        """Where the staged metadata of a role lies."""
        return self._staged_folder / f"{role}.json"

    def discard(self, role: str) -> None:
        """Give up what is staged of a role; nothing where nothing is."""
        self.staged_file(role).unlink(missing_ok=True)
        self.staged = {name: metadata for name, metadata in self.staged.items() if name != role}


def now() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def _read_published(public: Path) -> dict[str, Metadata[Any]]:
    folder = public / METADATA
    if not os.path.lexists(public):
        return {}
    timestamp = read_metadata(folder / f"{TIMESTAMP}.json")
    snapshot: Metadata[Snapshot] = read_metadata(folder / f"{timestamp.signed.snapshot_meta.version}.{SNAPSHOT}.json")
    newest = max((int(path.name.partition(".")[0]) for path in folder.glob(f"*.{ROOT}.json")), default=1)
    roles: dict[str, Metadata[Any]] = {ROOT: read_metadata(folder / f"{newest}.{ROOT}.json")}
    for name, meta in snapshot.signed.meta.items():
        roles[name.removesuffix(".json")] = read_metadata(folder / f"{meta.version}.{name}")
    return {**roles, SNAPSHOT: snapshot, TIMESTAMP: timestamp}


def _read_staged(folder: Path, published: Mapping[str, Metadata[Any]]) -> dict[str, Metadata[Any]]:
    staged = {path.stem: read_metadata(path) for path in sorted(folder.glob("*.json"))}
    # A version that is public already was left by a run that ended right after it had published.
    return {
        role: metadata
        for role, metadata in staged.items()
        if role not in published or metadata.signed.version > published[role].signed.version
    }
