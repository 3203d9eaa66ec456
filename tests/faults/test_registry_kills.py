"""``kill -9`` at each write of a promotion: the registry has the old state or the new one; a second run ends it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ground.fleet.registry.database import DATABASE
from ground.fleet.registry.plan import Promotion
from ground.fleet.registry.registry import Registry, open_registry
from ground.fleet.registry.states import State
from ground.mlflow_client import mlflow_client, without_noise
from tests.ground.registry_rig import PERSON, Made, Rig, report

EACH = 7
"""The short form kills before each of so many operations."""
LEAST_KILLS = 3
N_DECISIONS = 7
BEFORE, AFTER = {"1.0.0": "active", "2.0.0": "shadow"}, {"1.0.0": "retired", "2.0.0": "active"}


@dataclass(frozen=True)
class Flying:
    """A registry with an active version and its shadow, and a third one to register."""

    folder: Path
    rig: Rig
    one: Made
    two: Made
    three: Made

    def promote(self, folder: Path) -> Registry:
        """Make the shadow active in a copy."""
        registry = open_registry(folder)
        registry.promote(self.two.name, Promotion(to=State.ACTIVE, **PERSON, report=report(self.two, self.one)))
        return registry

    def register(self, folder: Path) -> Registry:
        """Register the third version in a copy."""
        registry = open_registry(folder)
        self.rig.register(registry, self.three)
        return registry


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> Flying:
    """It; not to be changed."""
    rig = Rig(tmp_path_factory)
    folder = tmp_path_factory.mktemp("registry") / "r"
    registry = rig.registry(folder)
    one, two, three = (rig.bundle(f"{major}.0.0") for major in (1, 2, 3))
    rig.register(registry, one, State.VALIDATION, State.ACTIVE)
    rig.register(registry, two, State.VALIDATION, State.SHADOW)
    return Flying(folder, rig, one, two, three)


def killed_before(operation: int, folder: Path, work: Callable[[], Any]) -> bool:
    """Do ``work`` in a process that is killed before one of its statements, commits or files; whether it was."""
    pid = os.fork()
    if pid == 0:
        _trap(operation, folder)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def _trap(operation: int, folder: Path) -> None:
    count = 0

    def step() -> None:
        nonlocal count
        if count == operation:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def hear(name: str, arguments: tuple[Any, ...]) -> None:
        if name in {"open", "os.rename", "os.mkdir", "os.chmod"} and str(folder) in str(arguments[0]):
            step()

    def statement(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if text.startswith(("INSERT", "UPDATE", "DELETE")):
            step()

    sys.addaudithook(hear)
    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda _connection: step())


@dataclass(frozen=True)
class Seen:
    """What was there after a kill, and after the work was done again."""

    states: dict[str, str]
    again: Registry
    folder: Path


def states(registry: Registry) -> dict[str, str]:
    """State by version, each bundle read and checked."""
    found = registry.versions("small")
    assert all(registry.bundle(each.subject.name) for each in found)
    return {each.subject.version: each.state.value for each in found}


def aliases(folder: Path) -> set[str]:
    """Aliases that MLflow shows."""
    with without_noise():
        return set(mlflow_client(f"sqlite:///{folder / DATABASE}").get_registered_model("small").aliases)


def killed_and_done_again(flying: Flying, work: Callable[[Path], Registry], copies: Path, each: int) -> Iterator[Seen]:
    """What a reader sees after each kill, and the registry once the work was done again."""
    killed, operation = True, 0
    while killed:
        copy = copies / str(operation)
        shutil.copytree(flying.folder, copy)
        killed = killed_before(operation, copy, partial(work, copy))
        seen = states(open_registry(copy))
        yield Seen(seen, work(copy), copy)
        operation += each


def test_every_write_of_a_promotion(flying: Flying, tmp_path: Path, full: Any) -> None:
    """One decision, made or not: both versions change state together, and no reader sees anything between."""
    seen = []
    for found in killed_and_done_again(flying, flying.promote, tmp_path, 1 if full else EACH):
        seen.append(found.states)
        assert states(found.again) == AFTER
        assert len(found.again.history("small").decisions) == N_DECISIONS
        assert aliases(found.folder) == {"active-test"}
    assert seen == sorted(seen, key=lambda each: each == AFTER)
    assert [seen[0], seen[-1]] == [BEFORE, AFTER]
    assert all(each in (BEFORE, AFTER) for each in seen)
    assert len(seen) > LEAST_KILLS


def test_every_write_of_a_registration(flying: Flying, tmp_path: Path, full: Any) -> None:
    """A version is there, with its bundle whole, or it is not."""
    registered = {**BEFORE, "3.0.0": "development"}
    seen = []
    for found in killed_and_done_again(flying, flying.register, tmp_path, 1 if full else EACH):
        seen.append(found.states)
        assert states(found.again) == registered
    assert seen == sorted(seen, key=lambda each: each == registered)
    assert [seen[0], seen[-1]] == [BEFORE, registered]
