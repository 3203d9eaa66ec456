"""The systemd unit: accepted by systemd, strict, and in agreement with the code."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_agent import audit_files, log_writer, metrics_port, slots_disk
from edge_agent.agent import (
    EVIDENCE_TIMEOUT_S,
    FINISH_TIMEOUT_S,
    GOODBYE_TIMEOUT_S,
    JOURNAL_TIMEOUT_S,
    UNITS_TIMEOUT_S,
)
from edge_agent.config import AgentSection
from edge_agent.exit_code import ExitCode
from edge_agent.link_timing import LinkTiming
from edge_agent.offer import ACTIVE, SHADOW
from edge_agent.prove_child import WALL_S
from edge_agent.swap import STOP_TIMEOUT_S
from edge_agent.update_choice import MOST_TRIED
from edge_agent.update_section import UpdateSection

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "edge-agent.service"
UPDATE = SYSTEMD / "edge-agent-update.service"
DISK_S = 20
"""Left for syncs, which nothing bounds, when the agent ends."""
LEAST_PAUSE_S = 10
"""Between two starts, where each of them fails."""
EXPOSURE_TENTHS = 15
"""Highest exposure of ``systemd-analyze security``, in tenths: 1.5, of 10."""


@pytest.fixture(params=[UNIT, UPDATE], ids=["agent", "update"])
def analyzable(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A unit with a program that exists on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / request.param.name
    path.write_text(request.param.read_text().replace("/opt/enginear/venv/bin/edge-agent", shutil.which("true") or ""))
    return path


def setting(name: str, unit: Path = UNIT, section: str = "Service") -> str:
    """The value of a setting that is given once."""
    return settings(unit, section)[name]


def settings(unit: Path, section: str) -> configparser.SectionProxy:
    """A section of a unit."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text())
    return parser[section]


def test_systemd_accepts_it(analyzable: Path) -> None:
    """``systemd-analyze verify`` has nothing to say."""
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", analyzable], check=False, capture_output=True, text=True
    )
    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


def test_exposure(analyzable: Path) -> None:
    """``systemd-analyze security`` finds it tight."""
    options = ["--offline=true", f"--threshold={EXPOSURE_TENTHS}", "--no-pager"]
    verdict = subprocess.run(
        ["systemd-analyze", "security", *options, analyzable], check=False, capture_output=True, text=True
    )
    assert verdict.returncode == 0, verdict.stdout


def test_agrees_with_the_code() -> None:
    """Timeouts leave the agent its time, and the state folder is the default one."""
    slots_s = slots_disk.LOCK_TIMEOUT_S + audit_files.LOCK_TIMEOUT_S
    ending_s = (
        STOP_TIMEOUT_S + slots_s,  # a swap under way
        slots_s,  # the probation
        FINISH_TIMEOUT_S,
        EVIDENCE_TIMEOUT_S,  # their lock
        EVIDENCE_TIMEOUT_S,
        UNITS_TIMEOUT_S,
        GOODBYE_TIMEOUT_S + LinkTiming().longest_block_s,
        JOURNAL_TIMEOUT_S,
        metrics_port.CLOSE_TIMEOUT_S,
        log_writer.CLOSE_TIMEOUT_S,
    )
    assert float(setting("TimeoutStopSec")) >= sum(ending_s) + DISK_S
    assert f"/var/lib/{setting('StateDirectory')}" == str(AgentSection(id="a", fleet="f").state_dir)
    assert "Environment=ORT_DISABLE_TELEMETRY=1" in UNIT.read_text().splitlines()


def test_it_never_gives_up() -> None:
    """Nobody comes to a box to reset it: no number of failures and no exit code is the last one."""
    assert setting("StartLimitIntervalSec", section="Unit") == "0"
    assert setting("Restart") == "on-failure"
    assert "RestartPreventExitStatus" not in settings(UNIT, "Service")
    assert float(setting("RestartSec")) >= LEAST_PAUSE_S


def test_a_start_that_takes_too_long_is_not_asked_to_end() -> None:
    """SIGTERM is an order to stop, and gives the start back: a bundle that loads too slowly would be tried for ever."""
    assert setting("TimeoutStartFailureMode") == "abort"
    assert "WatchdogSignal" not in settings(UNIT, "Service")
    assert setting("LimitCORE") == "0"


@pytest.mark.parametrize("unit", [UNIT, UPDATE], ids=["agent", "update"])
def test_the_child_may_give_way(unit: Path) -> None:
    """What it does to itself before it runs a model (nice(2) is setpriority) is not taken away by the filter."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    lines = [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    denied: set[str] = set()
    for line in lines:
        groups = line.lstrip("~").split()
        calls = {call for group in groups for call in (members(group) if group.startswith("@") else {group})}
        denied = denied | calls if line.startswith("~") else denied - calls
    assert not denied & {"setpriority", "getpriority", "prlimit64"}
    assert "sched_setscheduler" in denied


def members(group: str) -> set[str]:
    """Calls of a group of systemd's, those of the groups in it included."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True
    ).stdout
    names = {line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")}
    return {call for name in names for call in (members(name) if name.startswith("@") else {name})}


def test_updates_share_the_agents_state() -> None:
    """The same dynamic user by name, group and folder; no answer is no failure, and the timer is for this service."""
    assert setting("User", UPDATE) == UNIT.stem
    for name in ("DynamicUser", "Group", "StateDirectory", "UMask", "NoNewPrivileges", "ProtectSystem"):
        assert setting(name, UPDATE) == setting(name), name
    assert setting("SuccessExitStatus", UPDATE) == f"{ExitCode.UPDATE_UNREACHABLE:d}"
    tried = MOST_TRIED * len((ACTIVE, SHADOW))
    assert int(setting("TimeoutStartSec", UPDATE)) >= UpdateSection().deadline_s + tried * (WALL_S + DISK_S)
    assert UPDATE.with_suffix(".timer").is_file()
