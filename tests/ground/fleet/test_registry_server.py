"""The registry on a real MLflow server with artefact storage: `make test-registry-server`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ground.errors import PromotionError, RegistryError
from ground.fleet.registry.plan import Promotion
from ground.fleet.registry.registry import open_registry
from ground.fleet.registry.states import State
from ground.mlflow_client import mlflow_client
from tests.ground.registry_rig import PERSON, report

START_S = 240.0
"""A slow machine takes a minute."""
MLFLOW = os.environ.get("MLFLOW_SERVER", "")
pytestmark = pytest.mark.skipif(not MLFLOW, reason="MLFLOW_SERVER names no mlflow command: make test-registry-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own; its URL."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        MLFLOW, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "files"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it listens; it makes its tables first."""
    deadline_s = time.monotonic() + START_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the server of MLflow ended at once"
        assert time.monotonic() < deadline_s, "the server of MLflow does not listen"
        time.sleep(0.1)


def ask(to: State, **options) -> Promotion:
    """By a person."""
    return Promotion(to=to, **PERSON, **options)


def test_the_way_of_two_versions(server, rig, tmp_path, capsys):
    """As on a folder; bundles and reports lie on the server, and come back whole."""
    registry = open_registry(server)
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0")
    rig.register(registry, one, State.VALIDATION, State.ACTIVE)
    rig.register(registry, two, State.VALIDATION, State.SHADOW)
    registry.promote(two.name, ask(State.ACTIVE, report=report(two, one)))
    again = open_registry(server)
    assert [(each.subject.name, each.state) for each in again.versions("small")] == [
        (one.name, State.RETIRED), (two.name, State.ACTIVE),
    ]  # fmt: skip
    assert again.bundle(one.name) == one.path.read_bytes()
    assert again.report(again.history("small").decisions[-1]) == report(two, one)
    model = mlflow_client(server).get_registered_model("small")
    assert list(model.aliases) == ["active-test"]
    assert capsys.readouterr() == ("", "")
    found = tmp_path.parent.glob(f"server*/files/**/{one.digest}.bundle")
    (changed,) = {path.resolve() for path in found}
    changed.write_bytes(b"another")
    with pytest.raises(RegistryError, match="expected the content that was registered"):
        again.bundle(one.name)
    rig.register(again, one)
    assert again.bundle(one.name) == changed.read_bytes() == one.path.read_bytes()
    changed.unlink()
    with pytest.raises(RegistryError, match="expected what was registered"):
        again.bundle(one.name)
    rig.register(again, one)
    assert again.bundle(one.name) == one.path.read_bytes()


def test_who_decides_second_decides_on_what_is_then(server, rig):
    """Without a lock on the server."""
    registry, other = open_registry(server), open_registry(server)
    one, two = (rig.bundle(version, detector="raced") for version in ("1.0.0", "2.0.0"))
    for made in (one, two):
        rig.register(registry, made, State.VALIDATION)
    append = registry._store.append

    def overtaken(decision, bundle):
        """Just before the first one writes, the other one decides."""
        if other.version(two.name).state is State.VALIDATION:
            other.promote(two.name, ask(State.SHADOW))
        append(decision, bundle)

    registry._store.append = overtaken
    with pytest.raises(PromotionError, match=r"expected no shadow in fleet test, got 2\.0\.0"):
        registry.promote(one.name, ask(State.SHADOW))
    assert registry.history("raced").overtaken == 1
