"""A ceremony for tests: keys of nine people and two machines, a repository that is public, and clients of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater

from edge_agent.offer import EPOCH_FIELD, OFFER_FIELD, Offer
from ground.cli import main
from ground.fleet.repo.bundle_keys import trust_key
from ground.fleet.repo.founding import Holders, add_fleet, found
from ground.fleet.repo.key_files import load_public_key, load_signer, new_role_key
from ground.fleet.repo.online import OnlineKeys
from ground.fleet.repo.publication import commit
from ground.fleet.repo.rehearsal import FolderFetcher
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.settings import Lifetimes
from ground.fleet.repo.signing import add_signature
from ground.password import PasswordSource
from tests.conftest import SignedBundle

ROOT_HOLDERS = ("alice", "bob", "carol")
TARGETS_HOLDERS = ("dora", "emil", "fred")
ENGINEERS = ("gina", "hans")
SPARE = ("zoe", "yann", "snapshot2", "timestamp2")
FLEET = "test"


class Ceremony:
    """The keys of everybody, and a repository."""

    def __init__(self, keys: Path, folder: Path) -> None:
        self.keys = keys
        self.folder = folder
        self.password = PasswordSource(keys / "password")
        self.online = OnlineKeys(keys, self.password)

    @classmethod
    def begin(cls, folder: Path) -> Ceremony:
        """Make the keys."""
        keys = folder / "keys"
        keys.mkdir()
        (keys / "password").write_text("correct horse\n")
        names = (*ROOT_HOLDERS, *TARGETS_HOLDERS, *ENGINEERS, "snapshot", "timestamp", *SPARE)
        with patch("ground.key_file.ITERATIONS", 1000):  # for speed
            for name in names:
                new_role_key(keys / f"{name}.pem", PasswordSource(keys / "password"))
        return cls(keys, folder / "repo")

    def copy(self, folder: Path) -> Ceremony:
        """The same with a repository of its own."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Ceremony(self.keys, folder)

    @property
    def repo(self) -> Repository:
        """The repository as it lies on disk now."""
        return Repository(self.folder)

    @property
    def public(self) -> Path:
        """What a server serves."""
        return self.folder / "public"

    def public_key(self, name: str) -> Any:
        """Somebody's public key."""
        return load_public_key(self.keys / f"{name}.pub")

    def found(self) -> None:
        """Found the repository with one fleet; nothing is signed."""
        found(
            self.folder,
            Holders(
                root=[self.public_key(name) for name in ROOT_HOLDERS],
                targets=[self.public_key(name) for name in TARGETS_HOLDERS],
                snapshot=self.public_key("snapshot"),
                timestamp=self.public_key("timestamp"),
            ),
            Lifetimes(),
        )
        add_fleet(self.repo, FLEET, [self.public_key(name) for name in ENGINEERS])

    def sign(self, role: str, *names: str) -> None:
        """Sign a staged role as some people."""
        for name in names:
            add_signature(self.repo, role, load_signer(self.keys / f"{name}.pem", self.password))

    def commit(self) -> Any:
        """Publish what is signed enough."""
        return commit(self.repo, self.online)

    def run(self, *arguments: str | Path) -> int:
        """``ground repo ...`` in this process; its exit code."""
        return run_ground("repo", *arguments, "--repo", self.folder)

    def sign_as(self, name: str) -> tuple[str | Path, ...]:
        """Options with which a command signs and publishes."""
        key, password = self.keys / f"{name}.pem", self.keys / "password"
        return ("--key", key, "--password-file", password, *self.publish_options)

    @property
    def publish_options(self) -> tuple[str | Path, ...]:
        """Options with which a command publishes."""
        return ("--online", self.keys, "--online-password-file", self.keys / "password")


def begin_public(folder: Path, bundle: SignedBundle) -> Ceremony:
    """A ceremony that was held: the first publication is out, and the bundle's key is trusted."""
    ceremony = Ceremony.begin(folder)
    ceremony.found()
    trust_key(ceremony.repo, bundle.key)
    ceremony.sign("root", "alice", "bob")
    ceremony.sign("targets", "dora", "emil")
    ceremony.sign("bundles-test", "gina")
    ceremony.commit()
    return ceremony


def run_ground(*arguments: str | Path) -> int:
    """``ground ...`` in this process; its exit code."""
    before, sys.argv = sys.argv, ["ground", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


class Client:
    """An agent's view: python-tuf's client over a URL or a folder, with its own memory of what it has seen."""

    def __init__(self, base: str, cache: Path, bootstrap: bytes) -> None:
        self._base, self._cache, self._bootstrap = base, cache, bootstrap
        cache.mkdir(exist_ok=True)

    def update(self) -> Updater:
        """Go through a whole update, as a process that starts."""
        http = self._base.startswith("http")
        updater = Updater(
            str(self._cache),
            f"{self._base}/metadata/",
            target_base_url=f"{self._base}/targets/",
            fetcher=None if http else FolderFetcher(),
            bootstrap=self._bootstrap,
        )
        updater.refresh()
        updater.get_targetinfo(f"bundles/{FLEET}/none")
        return updater

    def offers(self) -> dict[str, Offer]:
        """The offers to the fleet by target path, as of now."""
        self.update()
        signed = self._read("bundles-test").signed
        return {path: Offer.from_document(target.custom[OFFER_FIELD]) for path, target in signed.targets.items()}

    def keys(self) -> list[str]:
        """Target paths of the keys that may sign bundles, as of now."""
        self.update()
        signed = self._read("targets").signed
        assert all(
            target.custom == {OFFER_FIELD: {"schema": 1, "kind": "bundle-key"}} for target in signed.targets.values()
        )
        return list(signed.targets)

    def epoch(self) -> int:
        """The epoch as of now."""
        self.update()
        return int(self._read("root").signed.unrecognized_fields[EPOCH_FIELD])

    def download(self, path: str) -> bytes:
        """The content of a target, verified."""
        updater = self.update()
        target = updater.get_targetinfo(path)
        assert target is not None
        return Path(updater.download_target(target, str(self._cache / "download"))).read_bytes()

    def version(self, role: str) -> int:
        """The version of a role it has seen last."""
        return int(self._read(role).signed.version)

    def _read(self, role: str) -> Metadata[Any]:
        return Metadata.from_file(str(self._cache / f"{role}.json"))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A real web server of a folder; its URL."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def show(ceremony: Ceremony, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """``ground repo show --json``."""
    capsys.readouterr()
    assert ceremony.run("show", "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document
