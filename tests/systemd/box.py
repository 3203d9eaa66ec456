"""A Debian that is booted in a container, to install the agent's package in."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

BOOT_S = 60.0
STOP_S = 20.0
ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
ROOT_SHELL = "/root"
"""The working folder in the box."""


class BoxError(Exception):
    """The box does not boot here."""


def as_root() -> list[str]:
    """What to write before a command that needs root."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


class Box:
    """A machine with systemd, a broker on its loopback, and no network.

    Args:
        tree: The archive that ``make_tree.sh`` makes.
        folder: An empty folder to unpack it in.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        self._tree = tree
        self._folder = folder
        self._leader = ""

    def boot(self) -> None:
        """Unpack and boot.

        Raises:
            BoxError: systemd does not come up; the text holds the end of the console.
        """
        unpack = ["tar", "--extract", "--zstd", "--xattrs", "--file", str(self._tree), "--directory", str(self._folder)]
        subprocess.run([*as_root(), *unpack], check=True)
        console = self._folder.parent / "console"
        # No machined and no unit of its own: none of them need run on this machine.
        options = ["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--private-network"]
        with console.open("wb") as output:
            self._nspawn = subprocess.Popen(
                [*as_root(), "systemd-nspawn", *options, "--directory", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + BOOT_S
        while not self._is_up():
            if self._nspawn.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                raise BoxError(f"no systemd within {BOOT_S:.0f} s; its console ends: {console.read_text()[-800:]}")
            time.sleep(0.05)

    def run(self, script: str, *, given: bytes = b"", timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a script of sh as root in the box; never raises for its exit code."""
        shell = ["env", "-i", *ENVIRONMENT, "sh", "-euc", f"cd {ROOT_SHELL}\n{script}"]
        command = [*as_root(), "nsenter", "--target", self._leader, "--all", *shell]
        done = subprocess.run(command, check=False, capture_output=True, input=given, timeout=timeout_s)
        return subprocess.CompletedProcess(
            script, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def ask(self, script: str) -> str:
        """What a script prints; it must succeed."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.journal()}"
        return done.stdout.strip()

    def put(self, content: bytes, path: str) -> None:
        """Write a file; ``path`` starts at root's folder where it is not absolute."""
        done = self.run(f"mkdir -p $(dirname {path})\ncat >{path}", given=content)
        assert done.returncode == 0, done.stderr

    def wait(self, condition: str, *, timeout_s: int = 60) -> None:
        """Wait until a command of sh succeeds."""
        tries = f"for i in $(seq {10 * timeout_s}); do if {condition}; then exit 0; fi; sleep 0.1; done; exit 1"
        done = self.run(tries, timeout_s=3.0 * timeout_s)
        assert done.returncode == 0, f"waited {timeout_s} s for: {condition}\n{done.stderr}\n{self.journal()}"

    def journal(self) -> str:
        """The end of what the agent and systemd said about it."""
        return self.run("journalctl --no-pager -n 40 -u edge-agent").stdout

    def stop(self) -> None:
        """Pull the plug, and remove it."""
        if self._leader:
            subprocess.run([*as_root(), "kill", "-KILL", self._leader], check=False)
        else:
            self._nspawn.terminate()
        self._nspawn.wait(STOP_S)
        subprocess.run([*as_root(), "rm", "-rf", "--one-file-system", str(self._folder)], check=True)

    def _is_up(self) -> bool:
        if not self._leader:
            self._leader = _child_of(self._nspawn.pid, depth=1 if os.geteuid() == 0 else 2)
        if not self._leader:
            return False
        state = self.run("systemctl is-system-running || true", timeout_s=BOOT_S).stdout.strip()
        return state in {"running", "degraded"}


def _child_of(pid: int, *, depth: int) -> str:
    """The process ``depth`` generations below; empty while there is none. sudo is a generation of its own."""
    found = str(pid)
    for _ in range(depth):
        found = subprocess.run(["pgrep", "-P", found], check=False, capture_output=True, text=True).stdout.split("\n")[
            0
        ]
        if not found:
            return ""
    return found
