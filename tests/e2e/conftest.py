"""Real agent processes for end-to-end tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
ROOM = "inbox_frames = 10000"


class RunningAgent:
    """An ``edge-agent run`` process with a config, a home and a notification socket of its own.

    Args:
        folder: Holds all that, and its state folder, the one it may write to.
        bundle: What it runs.
        port: Where the broker is.
        settings: Further lines of its ``[agent]`` table.
    """

    def __init__(self, folder: Path, bundle: Any, port: int, *, settings: str = "") -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.home = folder / "home"
        self.home.mkdir()
        self.config = folder / "agent.toml"
        self.config.write_text(
            f"[agent]\nid = 'a1'\nfleet = '{bundle.fleet}'\nstate_dir = 'state'\nstatus_interval_s = 0.5\n{settings}\n"
            f"[bundle]\npath = '{bundle.path}'\nkeys = ['{bundle.key}']\n"
            f"[broker]\nhost = '127.0.0.1'\nport = {port}\nkeepalive_s = 2\n"
            # Tests send in a second what a sensor sends in a minute.
            f"[limits]\n{ROOM}\n"
        )
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        self._manager.settimeout(WAIT_S)
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        """Start the agent; ``command`` comes before ``-m edge_agent`` where it is given."""
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        environment |= {
            "HOME": str(self.home), "TMPDIR": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache"),
            "NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "2000000",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*(command or (sys.executable,)), "-m", "edge_agent", "run", "--config", str(self.config)],
                cwd=self.home, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def notified(self, wanted: bytes) -> bytes:
        """The next notification that holds ``wanted``."""
        while wanted not in (message := self._manager.recv(4096)):
            pass
        return message

    def drain(self) -> None:
        """Forget the notifications that came so far."""
        self._manager.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._manager.recv(4096)
        self._manager.settimeout(WAIT_S)

    def status(self) -> dict[str, Any]:
        """The document in ``status.json``."""
        document: dict[str, Any] = json.loads((self.state_dir / "status.json").read_bytes())
        return document

    def stop(self) -> int:
        """Stop it as systemd does; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log; every line of it is JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._manager.close()


@pytest.fixture
def make_agent(tmp_path: Path, small_bundle: Any) -> Iterator[Callable[..., RunningAgent]]:
    """Makes agents, of the small bundle where no other is given, and sees to their end."""
    made: list[RunningAgent] = []

    def make(port: int, *, settings: str = "", bundle: Any = small_bundle) -> RunningAgent:
        folder = tmp_path / f"agent{len(made)}"
        folder.mkdir()
        made.append(RunningAgent(folder, bundle, port, settings=settings))
        return made[-1]

    yield make
    for agent in made:
        agent.end()
