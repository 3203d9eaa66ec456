"""Checks of the machine and its software: versions, processor, clock."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from edge_agent.clock import SYNCHRONISED, UNSYNCHRONISED, clock_quality
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.version import AGENT_VERSION

LIBRARIES: Final = ("numpy", "onnxruntime", "paho-mqtt", "msgpack", "structlog", "cryptography")
TELEMETRY_OFF: Final = "ORT_DISABLE_TELEMETRY"

_WITHOUT_TELEMETRY = "1.28.0"
_USEFUL = ("avx2", "avx512f", "fma", "asimd")
_CPUINFO = Path("/proc/cpuinfo")


def installed() -> dict[str, str]:
    """Versions of the agent and of what it runs on; empty for a library that is not there."""
    return {
        "edge-agent": AGENT_VERSION,
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }


def check_versions() -> Finding:
    """Whether every library is there."""
    versions = installed()
    missing = [name for name, number in versions.items() if not number]
    if missing:
        return fail("versions", f"{', '.join(missing)} not installed", "install the agent again")
    return fine("versions", ", ".join(f"{name} {number}" for name, number in versions.items()))


def check_telemetry(environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether onnxruntime keeps its data to itself: versions after 1.28.0 upload usage data unless told not to."""
    number = _version("onnxruntime")
    if number == _WITHOUT_TELEMETRY:
        return fine("telemetry", f"onnxruntime {number} sends none")
    if environment.get(TELEMETRY_OFF) == "1":
        return fine("telemetry", f"onnxruntime {number} is told to send none")
    return warn(
        "telemetry",
        f"onnxruntime {number} may send usage data",
        f"install onnxruntime {_WITHOUT_TELEMETRY}, or set {TELEMETRY_OFF}=1 in the agent's environment",
    )


def check_processor(cpuinfo: Path = _CPUINFO) -> Finding:
    """What the processor offers to the model."""
    try:
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    except OSError as error:
        return warn("processor", f"{cpuinfo}: {error.strerror}", "mount /proc: onnxruntime reads it on arm64")
    found = [feature for feature in _USEFUL if feature in words]
    text = f"{platform.machine()}, {os.cpu_count()} cores, {' '.join(found) or 'no vector units'}"
    if found:
        return fine("processor", text)
    return warn("processor", text, "expect a slower model; look at `speed`")


def check_clock() -> Finding:
    """Whether the wall clock can be believed."""
    quality = clock_quality()
    if quality == SYNCHRONISED:
        return fine("clock", quality)
    if quality == UNSYNCHRONISED:
        return warn(
            "clock",
            "no time daemon vouches for it; results say so, and an expired bundle is not noticed",
            "start chrony or systemd-timesyncd, and give it a source",
        )
    return warn("clock", "the kernel does not tell", "allow the system call adjtimex")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
