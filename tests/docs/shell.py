"""Blocks of a page, run as their reader would: in one shell, in a folder of their own, in their order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.blocks import FILE, Block

TREE = ("ground", "docs", "packaging", "Makefile")
"""What pages take from the source tree, in which they are read."""
_PROGRAMS = {
    "python": 'exec {python} "$@"',
    "ground": 'exec {python} -c "from ground.cli import main; main()" "$@"',
    "edge-agent": 'exec {python} -m edge_agent "$@"',
}


def run_blocks(
    blocks: Iterable[Block], folder: Path, *, timeout_s: float = 1500.0, expected: int = 0, **variables: str
) -> str:
    """Run them; each of their commands must do.

    Args:
        blocks: Of one page.
        folder: Where; it looks like a source tree.
        timeout_s: For all of them.
        expected: The exit code that the page tells of the last command.
        variables: Of the environment, besides our own.

    Returns:
        What they printed.
    """
    environment = environment_in(folder) | variables
    script = ["set -e"]
    for block in blocks:
        if block.mark == FILE:
            (folder / block.about).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.about).write_text(block.text)
        else:
            script += [f"echo '== {block.place}'", _typed(block)]
    done = subprocess.run(
        ["sh", "-c", "\n".join(script)], cwd=folder, env=environment, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == expected, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def environment_in(folder: Path) -> dict[str, str]:
    """Make a folder look like a source tree; the environment in which its commands find what they need."""
    for name in TREE:
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return {
        **os.environ,
        "PATH": f"{_programs(folder)}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GROUND_KEY_PASSWORD": "correct horse",
        "NO_COLOR": "1",
    }


def _typed(block: Block) -> str:
    return f"python - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON" if block.language == "python" else block.text


def _programs(folder: Path) -> Path:
    programs = folder / ".programs"
    programs.mkdir(exist_ok=True)
    for name, command in _PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{command.format(python=sys.executable)}\n")
        (programs / name).chmod(0o755)
    return programs
