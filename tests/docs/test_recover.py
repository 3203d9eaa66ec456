"""docs/how-to/recover.md: its commands, on a box with two bundles and on a stage that was killed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import yaml

from edge_agent.cli import main
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import loaded, mark_good
from ground.workspace import Workspace
from tests.conftest import ROOT, SignedBundle
from tests.docs.blocks import blocks_of
from tests.docs.shell import run_blocks
from tests.edge.conftest import proved_here  # noqa: F401 - a fixture
from tests.ground.conftest import TinyRecordings, tiny_document

pytestmark = pytest.mark.skipif(os.environ.get("DOCS") != "full", reason="half a minute: make test-docs")
ROLLBACK, KILLED = (block for block in blocks_of(ROOT / "docs" / "how-to" / "recover.md") if block.language == "sh")


@pytest.mark.usefixtures("proved_here")
def test_a_rollback(tmp_path: Path, releases: tuple[SignedBundle, ...]) -> None:
    """The second of two bundles gives way to the first, and the log says so."""
    config = tmp_path / "agent.toml"
    config.write_text(
        f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\n"
    )
    ledger = SlotLedger(tmp_path / "state")
    for release in releases[:2]:
        assert main(["bundle", "install", str(release.path), "--config", str(config)]) == 0
        digest = hashlib.sha256(release.path.read_bytes()).hexdigest()
        assert main(["bundle", "activate", digest, "--config", str(config)]) == 0
        ledger.change(lambda state, digest=digest: mark_good(loaded(state, digest), digest))
    printed = run_blocks([ROLLBACK], tmp_path)
    assert ledger.state().active.bundle_id == "small/1.0.0"
    assert "small/2.0.0" in printed


def test_a_stage_that_was_killed(tmp_path: Path) -> None:
    """It runs again as if it had not begun, and the doctor says what comes next."""
    workspace = Workspace(tmp_path / "w")
    TinyRecordings(workspace.raw)
    (workspace.root / "config.yaml").write_text(yaml.safe_dump(tiny_document()))
    workspace.interim.mkdir()
    (workspace.interim / ".half.parquet.x1").write_bytes(b"half")
    printed = run_blocks([KILLED], tmp_path)
    assert "preprocess: done" in printed
    assert "-> ground featurize" in printed
