"""Where the results of a batch run go: a file of this machine, or an object of a store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_agent.journal_segment import sync_folder
from ground.bulk.store import Store
from ground.bulk.urls import SCHEME, local_path, plain, without_login
from ground.errors import DataError
from ground.workspace import write_atomic

PARTS = ".parts"
_URL_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """A file of results.

    Attributes:
        store: The folder, or the store, that it lies in.
        name: Its name there.
        parts: Folder of this machine that holds the results while the file is not whole.
    """

    store: Store
    name: str
    parts: Path

    @classmethod
    def of(cls, output: str) -> Target:
        """The target that a user names by path or URL.

        Raises:
            DataError: It is no name of a file.
        """
        path = local_path(output)
        if path is not None:
            if not path.name or path.is_dir():
                raise DataError(f"--output: expected the name of a file, got {output}; add one")
            return cls(Store(str(path.parent)), path.name, path.parent / f".{path.name}{PARTS}")
        base, mark, options = output.partition("?")
        folder, _, name = base.rpartition("/")
        if not name or SCHEME not in folder.rstrip("/"):
            raise DataError(
                f"--output: expected the name of a file, as s3://bucket/r.parquet, got {plain(output)}; add it"
            )
        # Stores may hold results of one name in many folders; their parts meet in one folder here.
        digits = hashlib.sha256(without_login(output).encode()).hexdigest()[:_URL_DIGITS]
        return cls(Store.of(folder + mark + options), name, Path.cwd() / f".{name}-{digits}{PARTS}")

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return self.store.is_local

    @property
    def path(self) -> Path:
        """Its path, on this machine."""
        return self.store.path_of(self.name)

    def __str__(self) -> str:
        return self.store.where(self.name)

    def beside(self, suffix: str) -> Target:
        """The file beside it whose name goes on with ``suffix``."""
        return Target(self.store, f"{self.name}{suffix}", self.parts)

    def write(self, data: bytes) -> None:
        """Write a small file, in one step.

        Raises:
            DataError: The store does not take it.
            OSError: The disk refuses.
        """
        if self.is_local:
            write_atomic(self.path, data)
            return
        with TemporaryDirectory(prefix="enginear-") as folder:
            path = Path(folder, self.name)
            path.write_bytes(data)
            self.store.put(path, self.name)

    def deliver(self, built: Path) -> None:
        """Bring a whole file to its place, in one step.

        Args:
            built: A file in ``parts``; it may be gone afterwards.

        Raises:
            DataError: The store does not take it.
            OSError: The disk refuses.
        """
        if not self.is_local:
            self.store.put(built, self.name)
            return
        with built.open("rb") as stream:
            os.fsync(stream.fileno())
        built.chmod(0o644)
        built.replace(self.path)
        sync_folder(self.path.parent)
