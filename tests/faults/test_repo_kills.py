"""``kill -9`` at each file operation of a publication: what is public is the old repository or the new one, whole."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.offer import Rollout
from ground.fleet.repo.offers import Proposal, change_rollout, propose
from ground.fleet.repo.publication import commit
from ground.fleet.repo.repository import Repository
from ground.fleet.repo.rotation import rotate_key
from tests.conftest import SignedBundle
from tests.ground.repo_ceremony import FLEET, Ceremony, Client, begin_public

OLD, NEW = 10.0, 20.0
EACH = 6
"""The short form kills before each of so many operations."""
LEAST_OPERATIONS = 30
WATCHED = frozenset(
    {"open", "os.mkdir", "os.link", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}
)
"""Audit events of file operations, told right before each happens."""


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory, small_bundle: SignedBundle) -> Ceremony:
    """A public repository with an offer at OLD percent; a new timestamp key and a wider rollout wait, signed."""
    ceremony = begin_public(tmp_path_factory.mktemp("ceremony"), small_bundle)
    proposal = Proposal(
        bundle=small_bundle.path, fleet=FLEET, role="active", rollout=Rollout(1, OLD), allow_development=False
    )
    propose(ceremony.repo, proposal)
    ceremony.sign("bundles-test", "gina")
    ceremony.commit()
    change_rollout(ceremony.repo, FLEET, _digest(ceremony), percent=NEW)
    ceremony.sign("bundles-test", "hans")
    rotate_key(ceremony.repo, "timestamp", old="timestamp", new=ceremony.public_key("timestamp2"))
    ceremony.sign("root", "alice", "bob")
    return ceremony


def _digest(ceremony: Ceremony) -> str:
    (path,) = ceremony.repo.published["bundles-test"].signed.targets
    return Path(path).stem


def run_until(operation: int, folder: Path, work: Callable[[], Any]) -> bool:
    """Do ``work`` in a process that is killed right before one of its operations on ``folder``; whether it was."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            if event in WATCHED and any(str(folder) in str(each) for each in arguments[:2]):
                if count == operation:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def percent_seen(ceremony: Ceremony, cache: Path) -> float:
    """The rollout that a client sees which knew the repository before; it accepts what is there."""
    client = Client(str(ceremony.public), cache, (ceremony.public / "metadata" / "1.root.json").read_bytes())
    (offer,) = client.offers().values()
    return offer.rollout.percent


def kill_and_complete(ceremony: Ceremony, folder: Path, operation: int) -> tuple[bool, float]:
    """Publish in a process that is killed, then again; whether it was killed, and what a client saw in between."""
    copy, cache = ceremony.copy(folder / f"repo{operation}"), folder / f"cache{operation}"
    assert percent_seen(copy, cache) == OLD
    killed = run_until(operation, copy.folder, lambda: commit(Repository(copy.folder), copy.online))
    seen = percent_seen(copy, cache)
    assert copy.commit().held == {}
    assert percent_seen(copy, cache) == NEW
    return killed, seen


def test_every_operation(ceremony: Ceremony, tmp_path: Path, full: Any) -> None:
    """A new root, a new timestamp key and a wider rollout go out together or not; the next run completes them."""
    seen: list[float] = []
    operations = itertools.count(0, 1 if full else EACH)
    for operation in operations:
        killed, percent = kill_and_complete(ceremony, tmp_path, operation)
        seen.append(percent)
        if not killed:
            break
    assert len(seen) * (1 if full else EACH) > LEAST_OPERATIONS
    assert seen == sorted(seen)
    assert set(seen) == {OLD, NEW}


def test_watch_sees_the_publication(ceremony: Ceremony, tmp_path: Path) -> None:
    """Killed before its first operation, a publication leaves everything as it was."""
    copy = ceremony.copy(tmp_path / "repo")
    before = copy.public.resolve()
    assert run_until(0, copy.folder, lambda: commit(Repository(copy.folder), copy.online))
    assert copy.public.resolve() == before
