"""The parts of the loop test as processes: commands of the ground, a collector, agents with their updater."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edge_agent.frame import Frame
from edge_agent.wire import encode_frame
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from tests.conftest import ROOT, Broker, Peer

GROUND = (sys.executable, "-c", "from ground.cli import main; main()")
AGENT = (sys.executable, "-m", "edge_agent")
WAIT_S = 300.0
"""Longest wait; only a loop that is broken waits that long."""
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
_AHEAD = 400
"""Frames that an agent may have before it; they lie in its inbox, which has room for more."""


def run(*words: object, expected: int = 0) -> str:
    """A command, to its end; a user never sees a traceback. Its output."""
    done = subprocess.run(
        [str(word) for word in words], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env=_ENVIRONMENT, timeout=1800,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert done.returncode == expected, f"{words}: code {done.returncode}, expected {expected}\n{said}"
    return said


def ground(*words: object, expected: int = 0) -> str:
    """``ground ...``."""
    return run(*GROUND, *words, expected=expected)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something is so."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.1)
    return value


class Process:
    """A process that lasts, with its log."""

    def __init__(self, command: Sequence[object], log: Path) -> None:
        self.log = log
        self._command = [str(word) for word in command]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=_ENVIRONMENT)

    def stop(self) -> None:
        """End it as systemd does; it must end well."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(WAIT_S) == 0, self.log.read_text()[-2000:]

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Agent(Process):
    """``edge-agent run`` with slots, a place for a shadow, and updates over HTTP.

    Args:
        folder: Its own.
        name: Its id.
        aircraft: Whose engines it hears.
        broker: Where the broker is.
        url: Where the repository is.
        root: The first root, brought by hand.
        key: A public key that has signed nothing: the repository brings the right one.
    """

    def __init__(
        self, folder: Path, name: str, aircraft: Sequence[str], *, broker: Broker, url: str, root: Path, key: Path
    ) -> None:
        folder.mkdir()
        self.state_dir = folder / "state"
        self.config = folder / "agent.toml"
        self.config.write_text(
            # Tests send in a second what a sensor sends in a minute.
            f"[agent]\nid = '{name}'\nfleet = 'test'\nstate_dir = 'state'\nstatus_interval_s = 0.5\n"
            "deadline_ms = 60000\n"
            f"[bundle]\nslots = true\nkeys = ['{key}']\nprobation_windows = 20\nprobation_minutes = 0.02\n"
            f"[shadow]\npath = 'state/shadow.bundle'\n"
            f"[broker]\nhost = '127.0.0.1'\nport = {broker.port}\n"
            f"[update]\nurl = '{url}'\nroot = '{root}'\n"
            f"[topics]\ninput = {json.dumps([f'aircraft/{each}/engine/{{engine}}/vibration' for each in aircraft])}\n"
            "[limits]\ninbox_frames = 10000\ninbox_bytes = 500000000\n"
        )
        super().__init__([*AGENT, "run", "--config", self.config], folder / "agent.log")

    def update(self) -> str:
        """One look at the repository."""
        return run(*AGENT, "update", "--config", self.config)

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        try:
            document: dict[str, Any] = json.loads((self.state_dir / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document

    def start(self) -> None:
        """Start it, and wait until it is connected."""
        (self.state_dir / "status.json").unlink(missing_ok=True)
        super().start()
        wait_for(lambda: self.status().get("link", {}).get("connected"), f"{self.log} to be connected")

    def received(self) -> int:
        """Frames that have reached it."""
        return int(self.status()["counters"].get("frames_received", 0))


def stream(peer: Peer, agents: Sequence[Agent], flights: Iterable[tuple[str, list[Frame]]]) -> int:
    """Send flights one after the other, never far ahead of the agents, and wait until they have heard all; how many."""
    before, sent, names = _heard(agents), 0, []
    for name, frames in flights:
        names.append(name)
        for frame in frames:
            peer.publish(f"aircraft/{frame.aircraft}/engine/{frame.engine}/vibration", encode_frame(frame))
        sent += len(frames)
        _wait_to_hear(agents, before + sent - _AHEAD)
    _wait_to_hear(agents, before + sent)
    return len(names)


def _wait_to_hear(agents: Sequence[Agent], frames: int) -> None:
    wait_for(lambda: _heard(agents) >= frames, f"the agents to have heard {frames} frames")


def _heard(agents: Sequence[Agent]) -> int:
    return sum(agent.received() for agent in agents)


def rows(data: Path, kind: Kind, *columns: str) -> list[dict[str, Any]]:
    """What the dataset has of a kind."""
    read: list[dict[str, Any]] = read_dataset(data, kind, columns=columns).table.to_pylist()
    return read
