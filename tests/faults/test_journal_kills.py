"""kill -9 of processes that keep a journal, at random points, one after the other on the same folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(900)
def test_killed_at_random_points(tmp_path: Path, full: Any) -> None:
    """What the journal had promised is there after every kill; what had arrived and was noted is not sent again."""
    kills = 1_000 if full else 40
    command = [sys.executable, "-m", "tests.faults.journal_kills", str(tmp_path), str(kills), "1"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    # What comes before is the log.
    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith(f"{kills} kills: ")
    assert " 0 lost, 0 to be sent again though noted, 0 changed" in verdict
