"""kill -9 of processes that change the slots: before each file operation, and at random moments."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import load_config
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import EMPTY, GOOD, ROLLED_BACK
from edge_agent.startup import slots_of_config
from edge_agent.trust import TrustedKeys
from edge_agent.wire import encode_frame
from tests.e2e.conftest import ROOT, RunningAgent

INPUT = "aircraft/OO-ABC/engine/1/vibration"


def write_config(folder: Path, releases: Any, port: int = 9) -> Path:
    """An agent.toml of an agent with slots, whose bundles are good after the first window."""
    path = folder / "agent.toml"
    path.write_text(
        "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\nstatus_interval_s = 0.5\n"
        f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\ntrial_boots = 9\n"
        f"probation_windows = 1\nprobation_minutes = 0.0\n[broker]\nhost = '127.0.0.1'\nport = {port}\n"
    )
    return path


@pytest.mark.timeout(1_800)
def test_row_62_killed_at_every_step(tmp_path: Path, releases: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """62: install, activate, start, end, mark and return: old or new, and the next one goes on from there."""
    rounds = [("1", "0"), ("5", "1")] if full else [("17", "0")]
    for number, arguments in enumerate(rounds):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        write_config(folder, releases)
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.slot_kills", str(folder), *arguments,
             *(str(release.path) for release in releases[:2])],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sys.stdout.write(done.stdout)


def test_row_62_killed_at_random(tmp_path: Path, releases: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """62: whatever moment an install is killed at, a slot is there whole or not at all, and the state as before."""
    path = write_config(tmp_path, releases)
    config = load_config(path)
    ledger, rng = SlotLedger(config.agent.state_dir), random.Random(62)
    store = slots_of_config(config, TrustedKeys.from_files(config.bundle.keys))
    command = [sys.executable, "-m", "edge_agent", "bundle", "install", str(releases[0].path), "--config", str(path)]
    started_s = time.monotonic()
    assert subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode == 0
    longest_s = time.monotonic() - started_s
    for _ in range(40 if full else 1):
        for digest in store.digests():
            (ledger.folder / f"{digest}.bundle").unlink()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            time.sleep(rng.uniform(0.0, longest_s))
            process.kill()
            is_acknowledged = b"installed" in process.communicate()[0]
        assert ledger.state().stage == EMPTY
        assert len(store.digests()) == 1 or not is_acknowledged
        for digest in store.digests():
            store.open(digest)


class Daemon:
    """A real agent, killed before an operation in its slots, that is given frames until it is killed or done."""

    def __init__(self, agent: RunningAgent, peer: Any, frames: list[bytes]) -> None:
        self._agent, self._peer, self._frames = agent, peer, frames

    def live(self, number: int, is_done: Callable[[], bool]) -> bool:
        """Whether it was killed."""
        trap = ("-m", "tests.faults.kill_at", str(number), str(self._agent.state_dir / "bundles"))
        self._agent.start(sys.executable, *trap)
        process = self._agent.process
        assert process is not None
        deadline_s = time.monotonic() + 60.0
        while process.poll() is None and not is_done():
            assert time.monotonic() < deadline_s, self._agent.log.read_text()
            for frame in self._frames:
                self._peer.publish(INPUT, frame)
            time.sleep(0.2)
        return process.poll() is not None or self._agent.stop() != 0


@pytest.mark.timeout(1_800)
def test_row_62_daemon_killed_at_every_step(
    tmp_path: Path,
    broker: Any,
    peer: Any,
    releases: Any,
    full: bool,  # noqa: FBT001 - a fixture
) -> None:
    """62: a real agent counts its start, loads, marks its bundle good; it is killed on the way, and comes back."""
    if not full:
        pytest.skip("the full form has it; killed_at_every_step has the daemon's code in short")
    agent = RunningAgent(tmp_path, releases[0], broker.port)
    agent.config = write_config(tmp_path, releases, broker.port)
    config = load_config(agent.config)
    ledger = SlotLedger(config.agent.state_dir)
    store = slots_of_config(config, TrustedKeys.from_files(config.bundle.keys))
    daemon = Daemon(agent, peer, [encode_frame(frame) for frame in releases[0].frames(4.0)])
    digest = store.install(releases[0].path).digest
    before = store.activate(digest, boots=9)
    number = 1
    try:
        while daemon.live(number, lambda: ledger.state().stage == GOOD):
            state = ledger.state()
            assert (state.active, state.stage != ROLLED_BACK) == (before.active, True)
            assert store.open(digest).digest == digest
            ledger.change(lambda state: replace(before, generation=state.generation))
            number += 1
    finally:
        agent.end()
    assert ledger.state().mark == 1
