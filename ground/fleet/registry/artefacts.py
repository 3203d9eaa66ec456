"""Bundles and reports of a registry, named by their sha256, which is checked at each read."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from edge_agent.bundle_files import BUNDLE_SUFFIX
from edge_agent.journal_segment import sync_folder
from edge_agent.layout import BUNDLE_CAP
from ground.errors import RegistryError
from ground.workspace import write_atomic

BUNDLE: Final = BUNDLE_SUFFIX
REPORT: Final = ".json"
NO_RUN: Final = ""
_EXPERIMENT: Final = "enginear-registry"
_DIGEST_TAG: Final = "enginear.digest"
_SHORT: Final = 16
_LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an artefact lies.

    Attributes:
        uri: For MLflow.
        run: The MLflow run that holds it; ``NO_RUN``.
    """

    uri: str
    run: str


class Artefacts(Protocol):
    """Keeps what a registry is about."""

    def put(self, content: bytes, suffix: str) -> Stored:
        """Keep content; what is there already stays."""

    def get(self, digest: str, suffix: str) -> bytes:
        """The content of that sha256."""

    def locate(self, digest: str, suffix: str) -> Stored:
        """Where it lies."""


class FolderArtefacts:
    """In a folder.

    Args:
        folder: Made when something is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def put(self, content: bytes, suffix: str) -> Stored:
        """Keep content, on disk when this returns.

        Raises:
            OSError: The disk refuses.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest, suffix)
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)
            sync_folder(path.parent)
        return self.locate(digest, suffix)

    def get(self, digest: str, suffix: str) -> bytes:
        """The content.

        Raises:
            RegistryError: It is missing, or another.
        """
        path = self._path(digest, suffix)
        try:
            with path.open("rb") as stream:
                content = stream.read(BUNDLE_CAP + 1)
        except OSError as error:
            raise RegistryError(
                f"{path}: expected what was registered, got {error.strerror}; register the same file again"
            ) from error
        return _checked(content, digest, str(path))

    def locate(self, digest: str, suffix: str) -> Stored:
        """Where it lies."""
        return Stored(self._path(digest, suffix).as_uri(), NO_RUN)

    def _path(self, digest: str, suffix: str) -> Path:
        return self._folder / f"{digest}{suffix}"


class ServerArtefacts:
    """In runs of an MLflow server, one each: a server takes the source of a version from a run alone.

    Args:
        client: Of the server.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, content: bytes, suffix: str) -> Stored:
        """Keep content; where the server has lost it, or has another, it lies where it lay.

        Raises:
            MlflowException: The server refuses, or does not answer.
        """
        digest = hashlib.sha256(content).hexdigest()
        name = f"{digest}{suffix}"
        if not self._runs(digest):
            run = self._client.create_run(self._experiment(), run_name=f"{digest[:_SHORT]}{suffix}")
            self._upload(run.info.run_id, name, content)
            # The tag comes last: a run without it, which a kill has left, is not found.
            self._client.set_tag(run.info.run_id, _DIGEST_TAG, digest)
            self._client.set_terminated(run.info.run_id)
        elif not self._holds(digest, suffix):
            self._upload(self.locate(digest, suffix).run, name, content)
        return self.locate(digest, suffix)

    def get(self, digest: str, suffix: str) -> bytes:
        """The content.

        Raises:
            RegistryError: It is missing, or another.
            MlflowException: The server does not answer.
        """
        from mlflow.exceptions import MlflowException

        stored = self.locate(digest, suffix)
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = Path(self._client.download_artifacts(stored.run, f"{digest}{suffix}", folder))
                content = path.read_bytes()
            except (OSError, MlflowException) as error:
                got = " ".join(str(error).split())[:_LONGEST_ERROR]
                raise RegistryError(
                    f"{stored.uri}: expected what was registered, got {got}; ask again, or register the same file again"
                ) from error
        return _checked(content, digest, stored.uri)

    def locate(self, digest: str, suffix: str) -> Stored:
        """Where it lies.

        Raises:
            RegistryError: Nowhere.
            MlflowException: The server does not answer.
        """
        runs = self._runs(digest)
        if not runs:
            raise RegistryError(
                f"{digest[:_SHORT]}{suffix}: expected what was registered, got none on the server; register it again"
            )
        return Stored(f"{runs[0].info.artifact_uri}/{digest}{suffix}", runs[0].info.run_id)

    def _upload(self, run: str, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(run, str(path))

    def _holds(self, digest: str, suffix: str) -> bool:
        """Whether what was put comes back."""
        try:
            self.get(digest, suffix)
        except RegistryError:
            return False
        return True

    def _runs(self, digest: str) -> list[Any]:
        found = self._client.search_runs(
            [self._experiment()], f"tags.`{_DIGEST_TAG}` = '{digest}'", order_by=["attributes.start_time ASC"]
        )
        return list(found)

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(_EXPERIMENT)
        if found is None:
            try:
                return str(self._client.create_experiment(_EXPERIMENT))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(_EXPERIMENT)
        return str(found.experiment_id)


def _checked(content: bytes, digest: str, where: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise RegistryError(
            f"{where}: expected the content that was registered, {digest[:_SHORT]}, got {found[:_SHORT]}; do not "
            "use it, register the same file again"
        )
    return content
