"""A thread that ends although nobody asked it to: the agent ends, too, and systemd starts it anew."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.agent import Agent
from edge_agent.config import AgentConfig
from edge_agent.config_source import ConfigSource
from edge_agent.detector import LoadedModel
from edge_agent.evidence_desk import EvidenceDesk
from edge_agent.folder_lock import FolderLock
from edge_agent.journal import Journal
from edge_agent.link import Link
from edge_agent.metrics_port import _Server
from edge_agent.probation import Probation
from edge_agent.sdnotify import Notifier
from edge_agent.status_file import prepare_folder
from edge_agent.unit_store import UnitStore
from edge_agent.worker import Worker

RESCUE_S = 30.0
THREADS = {
    "link": (Link, "_run"),
    "journal": (Journal, "_run"),
    "evidence": (EvidenceDesk, "_work"),
    "units": (UnitStore, "_run"),
    "metrics": (_Server, "serve"),
}


def run(config: AgentConfig, model: LoadedModel, *, stop_after_s: float) -> bool:
    """Run an agent; whether it ended because it was asked to."""
    prepare_folder(config.agent.state_dir)
    lock = FolderLock(config.agent.state_dir)
    agent = Agent(config, model, Notifier(), ConfigSource(Path("agent.toml"), {}), lock=lock)
    timer = threading.Timer(stop_after_s, agent.stop)
    timer.start()
    try:
        return agent.run()
    finally:
        timer.cancel()
        lock.close()


@pytest.fixture
def starts_given_back(monkeypatch: pytest.MonkeyPatch) -> list[Probation]:
    """Probations that were told that the start is not held against the bundle."""
    told: list[Probation] = []

    def close(probation: Probation) -> None:
        told.append(probation)

    monkeypatch.setattr(Probation, "close", close)
    return told


@pytest.fixture
def config(make_config: Callable[..., AgentConfig]) -> AgentConfig:
    """An agent that reports often, with a metrics port, and a broker that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return make_config(
        agent={"status_interval_s": 0.1},
        broker={"host": "127.0.0.1", "port": 9},
        metrics={"listen": f"127.0.0.1:{port}"},
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", THREADS)
def test_the_agent_ends_with_any_of_its_threads(
    config: AgentConfig,
    small_model: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    starts_given_back: list[Probation],
    name: str,
) -> None:
    """Without one of them something would be missing for months, in silence; no bundle pays for it."""
    kind, method = THREADS[name]

    def die(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(kind, method, die)
    assert not run(config, small_model, stop_after_s=RESCUE_S)
    assert len(starts_given_back) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_end_of_the_worker_costs_the_bundle_a_start(
    config: AgentConfig,
    small_model: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    starts_given_back: list[Probation],
) -> None:
    """There the bundle runs: it may be its doing."""

    def die(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Worker, "_turn", die)
    assert not run(config, small_model, stop_after_s=RESCUE_S)
    assert starts_given_back == []


def test_it_runs_on_while_they_live(config: AgentConfig, small_model: LoadedModel) -> None:
    """Through several reports, without a link; then it is asked to end."""
    assert run(config, small_model, stop_after_s=1.0)
