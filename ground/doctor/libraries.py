"""Python and the libraries: what the installed packages ask for, beside what is installed."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from edge_agent.finding import Finding, fail, fine, warn
from ground.extras import installing

LEAST_PYTHON: Final = (3, 11)
PACKAGES: Final = ("enginear-ground", "enginear-edge-agent", "enginear-shared-features")
EXTRAS: Final = {
    "demo": "`ground demo` with the broker iotcore",
    "tune": "`ground tune`",
    "pkcs11": "`ground sign --pkcs11`",
    "sparkplug": "`ground bridge sparkplug`",
    "console": "`ground console`",
    "dask": "`ground batch --engine dask`",
    "notebook": "running the notebook of docs/tutorial",
}
"""What each extra of enginear-ground is for."""
_CONSTRAINTS: Final = Path(__file__).resolve().parents[2] / "constraints.txt"
_INSTALL: Final = "make setup in the source tree; elsewhere docs/how-to/install-ground.md"


def check_python(running: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Whether Python is new enough."""
    if running < LEAST_PYTHON:
        return fail("python", f"expected 3.11 or later, got {platform.python_version()}", "make setup PYTHON=...")
    return fine("python", f"{platform.python_version()}, {sys.prefix}")


def check_libraries(constraints: Path = _CONSTRAINTS) -> Iterator[Finding]:
    """What our packages require, and in a source tree what they were tested with."""
    asked = [each for package in PACKAGES for each in requirements_of(package) if not each.marker]
    wrong = [text for each in asked if (text := unmet(each))]
    if wrong:
        yield fail("libraries", "; ".join(wrong), _INSTALL)
    else:
        yield fine("libraries", f"the {len(asked)} that are required are here")
    drifted = _drifted({each.name for each in asked}, pins_of(constraints))
    if drifted:
        yield warn("libraries", f"not what constraints.txt says: {', '.join(drifted)}", "make setup")


def check_extras() -> Iterator[Finding]:
    """What is optional: nothing has to be done where it is not needed."""
    for extra, purpose in EXTRAS.items():
        asked = [
            each for each in requirements_of(PACKAGES[0]) if each.marker and each.marker.evaluate({"extra": extra})
        ]
        missing = [text for each in asked if (text := unmet(each))]
        if missing:
            lacking = "; ".join(missing)
            yield fine("extra", f"{extra} is not installed ({lacking}); {purpose} needs it: {installing(extra)}")
        else:
            yield fine("extra", f"{extra}: {purpose}")


def requirements_of(package: str) -> list[Requirement]:
    """What an installed package requires; nothing where it is not installed."""
    try:
        return [Requirement(line) for line in requires(package) or ()]
    except PackageNotFoundError:
        return [Requirement(package)]


def unmet(requirement: Requirement) -> str:
    """What is wrong with one requirement; empty where it is met."""
    installed = _version(requirement.name)
    if not installed:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(installed, prereleases=True):
        return f"{requirement.name}: expected {requirement.specifier}, got {installed}"
    return ""


def pins_of(constraints: Path) -> dict[str, str]:
    """Versions by canonical name; none outside a source tree."""
    if not constraints.is_file():
        return {}
    lines = constraints.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_canonical(name): number.strip() for name, number in pairs}


def _drifted(names: set[str], pins: Mapping[str, str]) -> list[str]:
    found = {name: (_version(name), pins.get(_canonical(name), "")) for name in sorted(names)}
    return [
        f"{name} {installed}, not {pin}"
        for name, (installed, pin) in found.items()
        if installed and pin and installed.partition("+")[0] != pin
    ]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower().strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
