"""Fixtures of the agent's tests: configs, a loaded model, a pipeline without threads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from edge_agent import prove_child, slots
from edge_agent.config import AgentConfig, parse_config
from edge_agent.detector import LoadedModel
from edge_agent.health import Health, Identity
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION

ConfigMaker = Callable[..., AgentConfig]


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Undoes what a test does to the process-wide logging."""
    with warnings.catch_warnings():
        yield
    structlog.reset_defaults()


@pytest.fixture
def make_config(tmp_path: Path, small_bundle: Any) -> ConfigMaker:
    """Makes configs for the small bundle; keyword arguments are tables that are merged in."""

    def make(**tables: dict[str, Any]) -> AgentConfig:
        document: dict[str, Any] = {
            "agent": {"id": "a1", "fleet": small_bundle.fleet, "state_dir": str(tmp_path / "state")},
            "bundle": {"path": str(small_bundle.path), "keys": [str(small_bundle.key)]},
            "broker": {"host": "127.0.0.1"},
        }
        for name, table in tables.items():
            document[name] = {**document.get(name, {}), **table}
        return parse_config(document, folder=tmp_path)

    return make


@pytest.fixture(scope="session")
def small_model(small_bundle: Any) -> LoadedModel:
    """The small bundle, loaded and proven."""
    policy = Policy(fleet=small_bundle.fleet, agent_version=AGENT_VERSION)
    return load_model(small_bundle.path, keys=TrustedKeys.from_files([small_bundle.key]), policy=policy)


@pytest.fixture
def make_health(small_model: LoadedModel) -> Callable[[AgentConfig], Health]:
    """Makes the health of a run."""
    return lambda config: Health(identity=Identity.of(config, small_model, run="run1", version=AGENT_VERSION))


@pytest.fixture
def proved_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden vectors without a child, which costs a third of a second; test_prove_child.py has it as it is."""
    monkeypatch.setattr(slots, "prove_in_child", lambda members, **_: prove_child._prove(members))


@pytest.fixture
def log_lines() -> list[Any]:
    """What is logged during the test, a map a line."""
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    return capture.entries
