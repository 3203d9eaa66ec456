"""A config with slots, of which one release is proven, to be started by the real code and by real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent import slots
from edge_agent.config import AgentConfig, load_config
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import SlotsState, loaded, mark_good
from edge_agent.startup import slots_of_config, start_configured
from edge_agent.trust import TrustedKeys
from tests.conftest import ROOT, wait_until

BOOTS = 2


class Rig:
    """A config with slots whose first release is proven; another one is installed, on trial where it is activated."""

    def __init__(self, folder: Path, state_dir: Path, releases: Any) -> None:
        self.path = folder / "agent.toml"
        self.path.write_text(
            f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = '{state_dir}'\n"
            f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\ntrial_boots = {BOOTS}\n"
            "[broker]\nhost = '127.0.0.1'\nport = 9\n"
        )
        self.config: AgentConfig = load_config(self.path)
        self.ledger = SlotLedger(self.config.agent.state_dir)
        self.store = slots_of_config(self.config, TrustedKeys.from_files(self.config.bundle.keys))
        self.old = self.install(releases[0].path)
        self.activate(self.old)
        self.prove()

    @property
    def folder(self) -> Path:
        """Where the slots lie."""
        return self.ledger.folder

    @property
    def state(self) -> SlotsState:
        """The state in force."""
        return self.ledger.state()

    def install(self, path: Path) -> str:
        """Install without the proof in a child; gives the digest."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slots, "prove_in_child", lambda *_, **__: None)
            return self.store.install(path).digest

    def activate(self, digest: str) -> None:
        """Put it on trial."""
        self.store.activate(digest, boots=BOOTS)

    def prove(self) -> None:
        """Let the active bundle pass its probation."""
        digest = self.state.active.digest
        self.ledger.change(lambda state: mark_good(loaded(state, digest), digest))

    def start(self) -> str:
        """Start as `run` does; gives the digest of what was loaded."""
        return start_configured(self.config).bundle_digest

    def run(self, trapped: Path | None = None) -> tuple[int, str]:
        """A real agent, ended in order once it runs, or killed as it opens a file: its exit code and what it said."""
        status = self.config.agent.state_dir / "status.json"
        status.unlink(missing_ok=True)
        trap = ("-m", "tests.faults.kill_at", "1", str(trapped)) if trapped else ()
        command = [sys.executable, *trap, "-m", "edge_agent", "run", "--config", str(self.path)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: process.poll() is not None or status.exists(), "the agent to run or to end")
            process.send_signal(signal.SIGTERM)
            return process.wait(30), process.communicate()[1]
