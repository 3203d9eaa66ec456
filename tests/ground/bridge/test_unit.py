"""The bridge's unit: accepted by systemd, strict, and never given up."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.conftest import ROOT

SERVICE = ROOT / "systemd" / "enginear-bridge.service"
PAGE = ROOT / "docs" / "how-to" / "sparkplug.md"
EXPOSURE_TENTHS = 15
"""As of the agent's units."""


@pytest.fixture
def unit(tmp_path):
    """It, with a program that exists on this machine."""
    path = tmp_path / SERVICE.name
    path.write_text(SERVICE.read_text().replace("/opt/enginear-ground/venv/bin/ground", shutil.which("true")))
    return path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_it_and_finds_it_tight(unit):
    """It has nothing to say."""
    security = ["security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager"]
    for words in (["verify", "--man=no"], security):
        done = subprocess.run(["systemd-analyze", *words, unit], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_started_again_whatever_ends_it():
    """A broker that is not there at the start is an exit code, too."""
    lines = SERVICE.read_text().splitlines()
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(lines)
    (config,) = (line.rsplit(" ", 1)[1] for line in lines if line.startswith("ExecStart="))
    assert config in PAGE.read_text()
