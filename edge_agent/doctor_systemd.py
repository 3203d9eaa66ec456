"""Checks of the systemd unit, by what systemctl tells; asks, and changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from edge_agent.finding import Finding, fail, fine, warn

UNIT: Final = "edge-agent.service"

_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "Result", "NRestarts", "WatchdogUSec", "LoadCredential", "FragmentPath",
)  # fmt: skip
_TIMEOUT_S = 5.0


def unit_properties() -> dict[str, str]:
    """What systemd says of the unit; empty where there is no systemd to ask."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return {}
    command = [systemctl, "show", UNIT, "--no-pager", *(f"--property={name}" for name in _PROPERTIES)]
    try:
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = (line.partition("=") for line in answer.stdout.splitlines())
    return {name: value for name, _, value in rows} if answer.returncode == 0 else {}


def check_unit(ask: Callable[[], Mapping[str, str]] = unit_properties) -> Iterator[Finding]:
    """Whether the unit is loaded, has not failed, is watched, and finds its credentials."""
    unit = ask()
    if not unit:
        yield fine("unit", "no systemd here")
        return
    if unit.get("LoadState") != "loaded":
        yield warn(
            "unit", f"{UNIT} is {unit.get('LoadState', 'unknown')}", "install it, if systemd is to run the agent"
        )
        return
    yield _state(unit)
    if unit.get("WatchdogUSec", "0") in {"0", "infinity"}:
        yield warn("watchdog", "none", "set WatchdogSec=20 in the unit")
    yield from _credentials(unit.get("LoadCredential", ""))


def _state(unit: Mapping[str, str]) -> Finding:
    result, restarts = unit.get("Result", "success"), unit.get("NRestarts", "0")
    text = (
        f"{unit.get('ActiveState', '')} ({unit.get('SubState', '')}), {restarts} restarts, {unit.get('FragmentPath')}"
    )
    if result != "success":
        return fail("unit", f"{text}, ended by {result}", f"journalctl -u {UNIT} -n 50")
    if restarts != "0":
        return warn("unit", text, f"find out why: journalctl -u {UNIT} -p warning")
    return fine("unit", text)


def _credentials(listed: str) -> Iterator[Finding]:
    """``LoadCredential`` as systemctl prints it: ``name:path``, one after the other."""
    for entry in listed.split():
        name, _, path = entry.partition(":")
        if path.startswith("/") and not os.access(path, os.R_OK):
            why = "cannot be read by this user" if Path(path).exists() else "is not there"
            yield fail("credentials", f"{name}: {path} {why}", "make the file, readable for root, or ask as root")
        elif path:
            yield fine("credentials", f"{name}: {path}")
