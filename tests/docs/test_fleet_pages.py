"""The how-to pages of the fleet: their blocks as they stand, in their order, in a small world (`make test-docs`)."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.cli import main as edge_agent
from edge_agent.topics_section import TopicsSection
from ground.console.settings import PORT
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import write_parts
from ground.fleet.registry.registry import open_registry
from ground.fleet.registry.states import State
from tests.conftest import ROOT, Broker, SignedBundle, wait_until
from tests.console.fleet_data import DATE
from tests.docs.blocks import RUN_BY, Block, blocks_of
from tests.docs.fleet_world import DETECTOR, alarm, make_world, registered, write_recordings
from tests.docs.shell import environment_in, run_blocks
from tests.e2e.conftest import make_agent  # noqa: F401 - a fixture
from tests.ground.bulk.conftest import write_flights
from tests.ground.bulk.s3_stand_in import running_s3
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture
from tests.ground.fleet.test_how_to_promote import collected

pytestmark = pytest.mark.timeout(900)
PAGES = (
    "collect.md", "drift.md", "shadow-report.md", "retrain.md", "tune.md", "new-unit.md", "monitor.md", "batch.md",
    "console.md",
)  # fmt: skip
"""Those whose blocks say that this file runs them; promote.md has a test of its own."""
DRIFT = 3
"""Exit code of ``ground drift`` where there is some."""


def ours(page: str) -> list[Block]:
    """The blocks of a page that are for us to run."""
    return [
        block
        for block in blocks_of(ROOT / "docs" / "how-to" / page)
        if block.mark == RUN_BY and (ROOT / block.about).name == Path(__file__).name
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world; made once."""
    if os.environ.get("DOCS") != "full":
        pytest.skip("minutes: make test-docs")
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(made, tmp_path / "world", symlinks=True))


def test_pages_are_all_that_name_us() -> None:
    """And each has something to run."""
    naming = {
        block.page.name
        for page in (ROOT / "docs").rglob("*.md")
        for block in blocks_of(page)
        if Path(block.about).name == Path(__file__).name
    }
    assert naming == set(PAGES)


def test_from_drift_to_a_shadow_that_is_ready(world: Path, message) -> None:  # noqa: F811 - the fixture
    """drift.md, retrain.md, shadow-report.md: one after the other, as the first figure of retrain.md has them."""
    run_blocks(ours("drift.md"), world, expected=DRIFT)
    judge, retrain = ours("retrain.md")
    assert "false_alarm" in run_blocks([judge], world)
    assert f"candidate: {DETECTOR}/1.1.0" in run_blocks([retrain], world)
    (selection,) = (world / "w" / "retraining").glob("*/selection.json")
    assert json.loads(selection.read_bytes())["counts"]["false_alarm"] == 1
    version = open_registry(world / "registry").version(f"{DETECTOR}/1.1.0")
    assert version.state is State.SHADOW
    collected(world / "fleet", message, registered(world, "1.0.0"), version.subject)
    assert "verdict: ready" in run_blocks(ours("shadow-report.md"), world)


def test_tune(world: Path) -> None:
    """tune.md, to the bundle of the tuned config."""
    run_blocks(ours("tune.md"), world)
    assert (world / "w" / "models" / DETECTOR / "1.1.0" / "manifest.json").is_file()


def test_new_unit(world: Path) -> None:
    """new-unit.md: a unit that nobody has heard."""
    write_recordings(world / "folder-of-the-unit", {"pump-7": ("healthy", 1.05)})
    run_blocks(ours("new-unit.md"), world)
    assert (world / "w" / "models" / DETECTOR / "candidate-pump-7" / "adaptation.json").is_file()


def test_collect(world: Path) -> None:
    """collect.md: one file of many, with all that was in them."""
    write_parts(alarm(), world / "fleet", name="again", date=DATE, topics=TopicsSection())
    before = read_dataset(world / "fleet", Kind.RESULT).table
    run_blocks(ours("collect.md"), world)
    assert len(list((world / "fleet" / "result").rglob("*.parquet"))) == 1
    assert read_dataset(world / "fleet", Kind.RESULT).table.num_rows == before.num_rows > 0


@contextmanager
def broker_of_the_page(folder: Path) -> Iterator[None]:
    """A broker where batch.md has one; where something listens there already, that."""
    broker = Broker(folder)
    broker.port = 1883
    with socket.socket() as probe:
        is_there = probe.connect_ex(("127.0.0.1", broker.port)) == 0
    if not is_there:
        broker.start()
    try:
        yield
    finally:
        broker.kill()


def test_batch(world: Path, small_bundle: SignedBundle) -> None:
    """batch.md: on this machine, out of a store, on a dask cluster, to a broker, to a file."""
    (world / "detector.bundle").write_bytes(small_bundle.path.read_bytes())
    (world / "public.pem").write_bytes(small_bundle.key.read_bytes())
    recordings = write_flights(world / "recordings", {"one": [9.0, 6.0]})
    with running_s3() as (options, objects), broker_of_the_page(world):
        for path in recordings.iterdir():
            objects.put(f"2026-11/{path.name}", path.read_bytes())
        place = dict(each.split("=") for each in options[1:].split("&"))
        run_blocks(
            ours("batch.md"), world, AWS_ENDPOINT_URL=f"http://{place['endpoint_override']}",
            AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION=place["region"],  # noqa: S106
            AWS_EC2_METADATA_DISABLED="true",
        )  # fmt: skip
        assert objects.held["results/2026-11.parquet"][0] == (world / "results.parquet").read_bytes()


def test_monitor(make_agent: Callable, broker: Broker, world: Path) -> None:  # noqa: F811 - the fixture
    """monitor.md: the agent takes the page's settings, and answers at its port."""
    page = ROOT / "docs" / "how-to" / "monitor.md"
    port, *others = (block.text for block in blocks_of(page) if block.language == "toml")
    agent = make_agent(broker.port)
    plain = agent.config.read_text()
    for settings in others:
        agent.config.write_text(plain + settings)
        assert edge_agent(["config", "check", "--config", str(agent.config)]) == 0
    agent.config.write_text(plain + port)
    agent.start()
    agent.notified(b"READY=1")
    wait_until(lambda: agent.status()["link"]["connected"], "the link")
    assert "edge_agent_health" in run_blocks(ours("monitor.md"), world)
    assert agent.stop() == 0


def test_console(world: Path) -> None:
    """console.md: users, the server until Ctrl-C, and the audit log."""
    add, serve, users, public, audit = ours("console.md")
    run_blocks([add], world)
    for block in (serve, public):
        with served(block, world):
            wait_until(answers, "the console")
    run_blocks([add, Block(add.page, 1, "sh", "ground console user add bob --workspace w"), users], world)
    said = run_blocks([audit], world)
    assert "user removed" in said


@contextmanager
def served(block: Block, folder: Path) -> Iterator[None]:
    """A block that runs until Ctrl-C, which ends it well."""
    server = subprocess.Popen(
        ["sh", "-c", f"exec {block.text}"], cwd=folder, env=environment_in(folder), start_new_session=True
    )
    try:
        yield
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait(30.0) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers() -> bool:
    """Whether the console does, at its usual port."""
    link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5.0)
    try:
        link.request("GET", "/login")
        return link.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except OSError:
        return False
    finally:
        link.close()
