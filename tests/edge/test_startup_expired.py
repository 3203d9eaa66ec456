"""A bundle of ``bundle.path`` past its last day: refused where it is new, started again where it was proven."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edge_agent import startup
from edge_agent.audit_check import places
from edge_agent.audit_files import AUDIT_FILE
from edge_agent.config import AgentConfig, load_config
from edge_agent.errors import BundleError, PolicyRejected
from edge_agent.policy import Policy
from edge_agent.startup import start_configured


@pytest.fixture
def config(tmp_path: Path, releases: Any) -> AgentConfig:
    """Of an agent that never ran."""
    path = tmp_path / "agent.toml"
    path.write_text(
        f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = '{tmp_path / 'state'}'\n"
        f"[bundle]\npath = '{tmp_path / 'engine.bundle'}'\nkeys = ['{releases[0].key}']\n"
        "[broker]\nhost = '127.0.0.1'\nport = 9\n"
    )
    (tmp_path / "engine.bundle").write_bytes(releases[0].path.read_bytes())
    return load_config(path)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and the last day of all bundles has passed."""

    def let_pass() -> None:
        real = Policy.check
        monkeypatch.setattr(
            Policy, "check", lambda policy, manifest: real(policy, replace(manifest, expires="2026-11-27"))
        )
        monkeypatch.setattr(startup, "today", lambda: date(2026, 11, 28))

    return let_pass


def told(config: AgentConfig) -> list[tuple[str, str]]:
    """Kinds and reasons of the audit log."""
    lines = [json.loads(place.data) for place in places(config.agent.state_dir)]
    return [(line["kind"], line["reason"]) for line in lines if line["kind"] != "keys_changed"]


def test_proven_here_runs_on(config: AgentConfig, late: Any) -> None:
    """A power cut does not silence a box that nobody can reach."""
    digest = start_configured(config).bundle_digest
    late()
    assert start_configured(config).bundle_digest == digest
    assert told(config) == [("activated", "path")]


def test_new_is_refused(config: AgentConfig, late: Any) -> None:
    """What was never proven here is not begun after its last day."""
    late()
    with pytest.raises(PolicyRejected, match="expected use until 2026-11-27"):
        start_configured(config)
    assert told(config) == [("refused", "expired")]


def test_another_one_is_refused(config: AgentConfig, late: Any, releases: Any) -> None:
    """That one bundle was proven says nothing of the next."""
    start_configured(config)
    late()
    config.bundle.path.write_bytes(releases[1].path.read_bytes())
    with pytest.raises(PolicyRejected, match="expected use"):
        start_configured(config)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"rot\n")])
def test_without_the_log_it_is_refused(config: AgentConfig, late: Any, spoil: Any) -> None:
    """Nothing is taken for proven on the word of a log that cannot be read."""
    start_configured(config)
    late()
    spoil(config.agent.state_dir / AUDIT_FILE)
    with pytest.raises(PolicyRejected, match="expected use"):
        start_configured(config)


def test_changed_is_refused(config: AgentConfig, late: Any) -> None:
    """Only its date is forgiven: a flipped bit is not."""
    start_configured(config)
    late()
    data = bytearray(config.bundle.path.read_bytes())
    data[len(data) // 2] ^= 1
    config.bundle.path.write_bytes(data)
    with pytest.raises(BundleError):
        start_configured(config)
