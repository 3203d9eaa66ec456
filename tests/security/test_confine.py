"""What the limited child may still do once it runs a model: nothing but compute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import json, os, socket, sys
from edge_agent.confine import shut_in
parent = os.getppid()
shut_in()
attempts = {
    "read": lambda: open("/etc/passwd"),
    "write": lambda: os.open("/tmp/written-by-a-model", os.O_WRONLY | os.O_CREAT),
    "connect": lambda: socket.socket(socket.AF_INET),
    "local": lambda: socket.socket(socket.AF_UNIX),
    "pipe": os.pipe,
    "fork": os.fork,
    "more": lambda: __import__("resource").setrlimit(7, (64, 64)),
    "root": lambda: os.setuid(0),
    "kill": lambda: os.kill(parent, 0),
}
for name in json.loads(sys.argv[1]):
    try:
        attempts[name]()
    except (OSError, ValueError):
        continue
    print(name)
"""
ALWAYS = ["read", "write", "connect", "local", "pipe"]
AS_NOBODY = ["fork", "more", "root", "kill"]


def allowed(attempts: list[str]) -> list[str]:
    """Which of them succeed in a process that is shut in."""
    command = [sys.executable, "-c", PROBE, json.dumps(attempts)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_nothing_is_opened() -> None:
    """Files, sockets and pipes need a descriptor, and there is none."""
    assert allowed(ALWAYS) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up rights of root")
def test_roots_rights_are_gone() -> None:
    """Installed by root, a bundle's model runs as nobody: no process is made, none is signalled, no limit raised."""
    assert allowed(AS_NOBODY) == []
