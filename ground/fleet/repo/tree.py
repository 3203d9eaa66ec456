"""The published files: whole trees side by side, and one link that says which of them is public.

A tree is never changed. The next one shares the files that stay (hard links), and takes the place of the one before by
renaming a link: a web server, a copy to a stick or whatever comes after a power cut sees the old tree or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from edge_agent.journal_segment import sync_folder
from edge_agent.replace_file import PUBLIC
from ground.errors import RepositoryError

PUBLIC_LINK: Final = "public"
TREES: Final = "trees"
_UNFINISHED: Final = ".new"
_FOLDER_MODE: Final = 0o755


class Trees:
    """The trees of one repository.

    Args:
        folder: The repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / TREES
        self.public = folder / PUBLIC_LINK

    def build(self, number: int, *, kept: Iterable[str], fresh: Mapping[str, Callable[[], bytes]], last: str) -> Path:
        """Make a tree beside the public one; what an interrupted run has left is removed first.

        Args:
            number: Its number, above that of the public tree.
            kept: Paths of files of the public tree that it shares.
            fresh: Content by path of its other files, read one at a time.
            last: The path among ``fresh`` to be written last.

        Returns:
            The tree, on disk whole; nobody sees it yet.

        Raises:
            RepositoryError: ``public`` is no link: this is a copy, made to sign.
            OSError: The disk refuses.
        """
        if self.public.exists() and not self.public.is_symlink():
            raise RepositoryError(
                f"{self.public}: expected a link, got a folder: a copy, made to sign; publish from the repository"
            )
        self.sweep()
        tree = self._folder / f"{number}{_UNFINISHED}"
        tree.mkdir()
        for path in sorted(kept):
            os.link(self.public / path, _beside(tree, path), follow_symlinks=False)
        for path in sorted(fresh, key=lambda each: (each == last, each)):
            _write_new(_beside(tree, path), fresh[path]())
        for folder, _, _ in os.walk(tree, topdown=False):
            Path(folder).chmod(_FOLDER_MODE)
            sync_folder(Path(folder))
        finished = tree.with_suffix("")
        tree.rename(finished)
        sync_folder(self._folder)
        return finished

    def publish(self, tree: Path) -> None:
        """Make a tree the public one, in one step.

        Raises:
            OSError: The disk refuses.
        """
        link = self.public.with_name(f".{PUBLIC_LINK}{_UNFINISHED}")
        link.unlink(missing_ok=True)
        link.symlink_to(Path(TREES) / tree.name)
        link.replace(self.public)
        sync_folder(self.public.parent)

    def sweep(self) -> None:
        """Remove every tree but the public one."""
        current = self.public.resolve().name if self.public.exists() else ""
        for tree in sorted(self._folder.iterdir()):
            if tree.name != current:
                shutil.rmtree(tree)


def _beside(tree: Path, path: str) -> Path:
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _write_new(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PUBLIC), "wb") as stream:
        os.fchmod(stream.fileno(), PUBLIC)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
