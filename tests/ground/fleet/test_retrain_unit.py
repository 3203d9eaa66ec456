"""The units of the quarterly retraining: accepted by systemd, strict, once a quarter, in agreement with the command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime

import pytest

from ground.exit_code import ExitCode
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.ledger import Ledger
from ground.workspace import Workspace
from tests.conftest import ROOT

SERVICE = ROOT / "systemd" / "enginear-retrain.service"
TIMER = SERVICE.with_suffix(".timer")
EXPOSURE_TENTHS = 15
"""As of the agent's units."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path):
    """Both, with a program that exists on this machine."""
    text = SERVICE.read_text().replace("/opt/enginear-ground/venv/bin/ground", shutil.which("true"))
    (tmp_path / SERVICE.name).write_text(text)
    (tmp_path / TIMER.name).write_text(TIMER.read_text())
    return [tmp_path / SERVICE.name, tmp_path / TIMER.name]


def analyze(*words, zone="UTC"):
    """``systemd-analyze`` in a time zone; its code and all it says."""
    done = subprocess.run(
        ["systemd-analyze", *words], check=False, capture_output=True, text=True, env={**os.environ, "TZ": zone}
    )
    return done.returncode, done.stdout + done.stderr


def test_systemd_accepts_them(units):
    """It has nothing to say."""
    assert analyze("verify", "--man=no", *units) == (0, "")


def test_exposure(units):
    """It finds the service tight."""
    code, said = analyze("security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager", units[0])
    assert code == 0, said


@pytest.mark.parametrize("zone", ["UTC", "Europe/Helsinki", "Asia/Tokyo", "America/Los_Angeles"])
def test_once_a_quarter(tmp_path, zone):
    """Each start is another quarter to the command, wherever; and where the machine was off, when it is on again."""
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", TIMER.read_text(), re.MULTILINE)
    _, said = analyze("calendar", "--iterations=5", "--base-time=2026-11-28", calendar, zone=zone)
    starts = [datetime.fromisoformat(f"{at}+00:00") for at in re.findall(r"(\d{4}-\S+ 02:00:00) UTC", said)]
    ledger = Ledger(Workspace(tmp_path))
    assert [ledger.name_of(Cause.SCHEDULE, None, "d", "west", at)[-6:] for at in starts] == [
        "2027Q1", "2027Q2", "2027Q3", "2027Q4", "2028Q1",
    ]  # fmt: skip
    assert "Persistent=true" in TIMER.read_text().splitlines()


def test_agrees_with_the_command():
    """What waits for a person is no failure."""
    lines = SERVICE.read_text().splitlines()
    assert f"SuccessExitStatus={ExitCode.NOT_FOLLOWED:d} {ExitCode.UNSIGNED:d}" in lines
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    assert f"ground retrain --reason {Cause.SCHEDULE.value} $RETRAIN_OPTIONS" in command
