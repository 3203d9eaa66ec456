"""``kill -9`` at each write of a promotion: the registry has the old state or the new one; a second run ends it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
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

EACH = 5
"""The short form kills before each of so many operations."""
LEAST_OPERATIONS = 15
BEFORE, AFTER = {"1.0.0": "active", "2.0.0": "shadow"}, {"1.0.0": "retired", "2.0.0": "active"}


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made, Made]:
    """A registry with an active version and its shadow."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    folder = tmp_path_factory.mktemp("registry") / "r"
    registry = rig.registry(folder)
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0")
    rig.register(registry, one, State.VALIDATION, State.ACTIVE)
    rig.register(registry, two, State.VALIDATION, State.SHADOW)
    return folder, one, two


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


def states(registry: Registry) -> dict[str, str]:
    """State by version, each bundle read and checked."""
    found = registry.versions("small")
    assert all(registry.bundle(each.subject.name) for each in found)
    return {each.subject.version: each.state.value for each in found}


def aliases(folder: Path) -> set[str]:
    """Aliases that MLflow shows."""
    with without_noise():
        return set(mlflow_client(f"sqlite:///{folder / DATABASE}").get_registered_model("small").aliases)


def promote(folder: Path, one: Made, two: Made) -> None:
    """Make the shadow active."""
    asked = Promotion(to=State.ACTIVE, **PERSON, report=report(two, one))
    open_registry(folder).promote(two.name, asked)


def test_every_write_of_a_promotion(flying: tuple[Path, Made, Made], tmp_path: Path, full: Any) -> None:
    """One decision, made or not: both versions change state together, and no reader sees anything between."""
    folder, one, two = flying
    seen, killed, operation = [], True, 0
    while killed:
        copy = tmp_path / str(operation)
        shutil.copytree(folder, copy)
        killed = killed_before(operation, copy, lambda copy=copy: promote(copy, one, two))  # type: ignore[misc]
        seen.append(states(open_registry(copy)))
        promote(copy, one, two)
        registry = open_registry(copy)
        assert states(registry) == AFTER
        assert len(registry.history("small").decisions) == 7
        assert aliases(copy) == {"active-test"}
        operation += 1 if full else EACH
    assert operation > LEAST_OPERATIONS
    assert seen == sorted(seen, key=lambda each: each == AFTER)
    assert [seen[0], seen[-1]] == [BEFORE, AFTER]
    assert all(each in (BEFORE, AFTER) for each in seen)


def test_every_write_of_a_registration(flying: tuple[Path, Made, Made], tmp_path: Path, full: Any) -> None:
    """A version is there, with its bundle whole, or it is not."""
    rig = Rig(tmp_path)
    three = rig.bundle("3.0.0")
    killed, operation = True, 0
    while killed:
        copy = tmp_path / str(operation)
        shutil.copytree(flying[0], copy)

        def register(copy: Path = copy) -> None:
            open_registry(copy).register(three.path, keys=[rig.key], by="test")

        killed = killed_before(operation, copy, register)
        assert states(open_registry(copy)) in (BEFORE, {**BEFORE, "3.0.0": "development"})
        register()
        assert states(open_registry(copy)) == {**BEFORE, "3.0.0": "development"}
        operation += 1 if full else EACH
    assert operation > EACH
