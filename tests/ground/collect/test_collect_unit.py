"""The units of a collector: accepted by systemd, strict, never given up, compacted daily, as their page says."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

COLLECT = ROOT / "systemd" / "enginear-collect.service"
COMPACT = ROOT / "systemd" / "enginear-compact.service"
TIMER = COMPACT.with_suffix(".timer")
PAGE = ROOT / "docs" / "how-to" / "collect.md"
EXPOSURE_TENTHS = 15
"""As of the agent's units."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path):
    """All of them, with a program that exists on this machine."""
    for path in (COLLECT, COMPACT, TIMER):
        text = path.read_text().replace("/opt/enginear-ground/venv/bin/ground", shutil.which("true"))
        (tmp_path / path.name).write_text(text)
    return tmp_path


def analyze(*words):
    """``systemd-analyze``; its code and all it says."""
    done = subprocess.run(["systemd-analyze", *words], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_systemd_accepts_them(units):
    """It has nothing to say."""
    assert analyze("verify", "--man=no", *sorted(units.iterdir())) == (0, "")


@needs_systemd
@pytest.mark.parametrize("service", [COLLECT, COMPACT], ids=lambda path: path.name)
def test_exposure(units, service):
    """It finds them tight."""
    words = ["--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager", units / service.name]
    code, said = analyze("security", *words)
    assert code == 0, said


@needs_systemd
def test_once_a_day():
    """And where the machine was off, when it is on again."""
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", TIMER.read_text(), re.MULTILINE)
    _, said = analyze("calendar", "--iterations=2", "--base-time=2026-11-28 12:00:00 UTC", calendar)
    assert re.findall(r"(\d{4}-\d\d-\d\d) 01:00:00 UTC", said)[-1] == "2026-11-30"
    assert "Persistent=true" in TIMER.read_text().splitlines()


def test_it_is_started_again_whatever_ends_it():
    """A broker that is not there at the start is an exit code, too."""
    assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(COLLECT.read_text().splitlines())


def test_agrees_with_the_page():
    """Both take their dataset from one file, which the page shows; so it does the credentials."""
    page = PAGE.read_text()
    for service, command in (
        (COLLECT, "collect run --out ${DATASET} $COLLECT_OPTIONS"), (COMPACT, "collect compact --out ${DATASET}"),
    ):  # fmt: skip
        lines = service.read_text().splitlines()
        assert f"ExecStart=/opt/enginear-ground/venv/bin/ground {command}" in lines
        assert "EnvironmentFile=/etc/enginear/collect.env" in lines
        assert service.name in page
    assert "LoadCredential=collect:/etc/enginear/collect-credentials" in COLLECT.read_text().splitlines()
    assert "/run/credentials/enginear-collect.service/collect_password.txt" in page
    assert re.search(r"^DATASET=\S+$", page, re.MULTILINE)
    assert re.search(r"^COLLECT_OPTIONS=--broker ", page, re.MULTILINE)
