"""The agent's own updater on what ``ground repo`` publishes: offers, waves, keys, epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent import prove_child, slots
from edge_agent.command_update import take
from edge_agent.config import AgentConfig, parse_config
from edge_agent.errors import BundleError
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import SlotsState
from ground.fleet.repo.bundle_keys import kinds_of
from ground.keys import new_key_pair
from tests.conftest import SignedBundle, make_small_bundle, small_spec
from tests.ground.repo_ceremony import FLEET, Ceremony


@pytest.fixture
def agent(ceremony: Ceremony, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AgentConfig:
    """An agent of the fleet, in wave 2, that knows the first root, and pins a key that has signed nothing."""
    # Golden vectors without a child, which costs a third of a second.
    monkeypatch.setattr(slots, "prove_in_child", prove_child._prove)
    document = {
        "agent": {"id": "a1", "fleet": FLEET, "state_dir": str(tmp_path / "state")},
        "bundle": {"slots": True, "keys": [str(new_key_pair(tmp_path / "pinned").public)]},
        "update": {"root": str(ceremony.public / "metadata" / "1.root.json"), "wave": 2},
    }
    return parse_config(document, folder=tmp_path)


def update(agent: AgentConfig, ceremony: Ceremony) -> SlotsState:
    """Update from the public folder; the state of the slots."""
    take(agent, str(ceremony.public))
    return SlotLedger(agent.agent.state_dir).state()


def rollout(ceremony: Ceremony, *options: str) -> None:
    """Change the one offer as gina."""
    (path,) = ceremony.repo.published["bundles-test"].signed.targets
    digest = Path(path).stem
    assert ceremony.run("rollout", digest[:8], "--fleet", FLEET, *options, *ceremony.sign_as("gina")) == 0


def test_waves(ceremony: Ceremony, agent: AgentConfig, small_bundle: SignedBundle) -> None:
    """Not in wave 1; not while halted; in wave 2. The key came with the repository."""
    assert ceremony.run("publish", small_bundle.path, "--wave", "1", *ceremony.sign_as("gina")) == 0
    assert update(agent, ceremony).active.digest == ""
    rollout(ceremony, "--wave", "2", "--halt")
    assert update(agent, ceremony).active.digest == ""
    rollout(ceremony, "--resume")
    assert update(agent, ceremony).active.bundle_id == "small/1.0.0"


def test_stolen_bundle_key(ceremony: Ceremony, agent: AgentConfig, small_bundle: SignedBundle) -> None:
    """A revoked key signs nothing that is taken or offered any more, and stays out."""
    assert ceremony.run("publish", small_bundle.path, *ceremony.sign_as("gina")) == 0
    (hint,) = kinds_of(ceremony.repo.targets)
    assert ceremony.run("distrust-key", hint[:8]) == 0
    ceremony.sign("targets", "dora", "fred")
    ceremony.commit()
    with pytest.raises(BundleError) as refused:
        update(agent, ceremony)
    assert refused.value.reason == "revoked_key"
    assert ceremony.run("trust-key", small_bundle.key) == 2
    assert ceremony.run("publish", small_bundle.path, *ceremony.sign_as("gina")) == 2


def test_epoch(ceremony: Ceremony, agent: AgentConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sequence was driven to its end; in the next epoch it begins anew."""
    last = make_small_bundle(_folder(tmp_path / "last"), small_spec(), version="2.0.0", sequence=2**53 - 1)
    first = make_small_bundle(_folder(tmp_path / "first"), small_spec(), version="3.0.0", sequence=1, epoch=1)
    assert ceremony.run("publish", last.path, *ceremony.sign_as("gina")) == 0
    assert update(agent, ceremony).active.sequence == 2**53 - 1
    assert ceremony.run("publish", first.path, *ceremony.sign_as("gina")) == 2
    assert "bundle.epoch: expected 0 at most, which the root has opened, got 1" in _text(capsys)
    assert ceremony.run("epoch", "raise") == 0
    ceremony.sign("root", "alice", "bob")
    ceremony.commit()
    assert ceremony.run("publish", first.path, *ceremony.sign_as("gina")) == 0
    state = update(agent, ceremony)
    assert (state.epoch, state.active.bundle_id) == (1, "small/3.0.0")


def test_rotated_everything(ceremony: Ceremony, agent: AgentConfig, small_bundle: SignedBundle) -> None:
    """An agent that slept through every rotation finds its way from the first root."""
    update(agent, ceremony)
    steps = (
        ("root", "alice", "zoe", {"root": ("alice", "bob", "carol")}),
        ("timestamp", "timestamp", "timestamp2", {"root": ("bob", "zoe")}),
        ("bundles-test", "gina", "yann", {"targets": ("dora", "emil"), "bundles-test": ("yann",)}),
    )
    for role, old, new, signatures in steps:
        assert ceremony.run("rotate-key", role, "--old", old, "--new", ceremony.keys / f"{new}.pub") == 0
        for signed, names in signatures.items():
            ceremony.sign(signed, *names)
        assert ceremony.commit().held == {}
    assert ceremony.run("publish", small_bundle.path, *ceremony.sign_as("yann")) == 0
    assert update(agent, ceremony).active.bundle_id == "small/1.0.0"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _text(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err
