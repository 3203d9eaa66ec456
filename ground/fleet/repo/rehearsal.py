"""A client's view of a tree before it is public: python-tuf's own client must accept it after the tree before it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.api.exceptions import RepositoryError as ClientRefusal
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from ground.errors import RepositoryError
from ground.fleet.repo.repository import METADATA, TARGET_FILES
from ground.fleet.repo.roles import DELEGATION, bundle_path

ROOT_CAP: Final = 256 * 1024
TARGETS_CAP: Final = 1024 * 1024
"""Longest metadata files that an agent reads, in bytes (``edge_agent.update_repository``)."""
_CHUNK = 1 << 16
_NOT_FOUND = 404


class FolderFetcher(FetcherInterface):
    """Reads a repository from a folder, such as a stick."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(url)
        if not path.is_file():
            # The client asks for root after root until there is no more: a missing file is an answer.
            raise DownloadHTTPError(f"{path}: no such file", _NOT_FOUND)
        return self._chunks(path)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk


def client_of(tree: Path, cache: Path, *, bootstrap: bytes) -> Updater:
    """A client of the repository in a folder.

    Args:
        tree: Holds ``metadata/`` and ``targets/``.
        cache: The client's own folder.
        bootstrap: The root it begins with.
    """
    return Updater(
        str(cache),
        f"{tree / METADATA}/",
        target_base_url=f"{tree / TARGET_FILES}/",
        target_dir=str(cache),
        fetcher=FolderFetcher(),
        config=UpdaterConfig(
            root_max_length=ROOT_CAP,
            timestamp_max_length=16 * 1024,
            snapshot_max_length=ROOT_CAP,
            targets_max_length=TARGETS_CAP,
        ),
        bootstrap=bootstrap,
    )


def rehearse(tree: Path, *, before: Path, targets: Iterable[str], roles: Iterable[str]) -> None:
    """Update a client from the tree before it to this one, and let it find targets.

    Args:
        tree: The tree to be published.
        before: The public tree; need not exist.
        targets: Paths of targets it must find; their roles are verified on the way.
        roles: Delegated roles that it must accept, also those without any target.

    Raises:
        RepositoryError: The client refuses.
    """
    bootstrap = (tree / METADATA / "1.root.json").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        try:
            if before.exists():
                # What has expired meanwhile is refused, yet remembered: this client has seen its versions.
                with suppress(ClientRefusal, DownloadError):
                    client_of(before, cache, bootstrap=bootstrap).refresh()
            client = client_of(tree, cache, bootstrap=bootstrap)
            client.refresh()
            for role in roles:
                client.get_targetinfo(bundle_path(role.removeprefix(DELEGATION), "none"))
            lost = [path for path in targets if client.get_targetinfo(path) is None]
        except (ClientRefusal, DownloadError, ValueError) as error:
            raise RepositoryError(
                f"{tree}: expected a repository that a client accepts, got {error}; nothing was published"
            ) from error
    if lost:
        raise RepositoryError(f"{tree}: expected a client to find {lost[0]}, got nothing; nothing was published")
