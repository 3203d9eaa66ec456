"""Programs that some commands call: none of them is needed for the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edge_agent.finding import Finding, fine

_SYSTEM_PATH: Final = "/usr/sbin:/usr/local/sbin"
"""Where Debian puts daemons, which is on root's path alone."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, what asks for it, and the Debian package that has it."""

    names: tuple[str, ...]
    purpose: str
    package: str


PROGRAMS: Final = (
    Program(("mosquitto",), "`ground demo --broker mosquitto`", "mosquitto"),
    Program(("openssl",), "the certificates of docs/how-to/tls.md", "openssl"),
    Program(
        ("chromium", "chromium-browser", "google-chrome"), "looking at reports, and the tests of pages", "chromium"
    ),
)


def check_programs(programs: tuple[Program, ...] = PROGRAMS) -> Iterator[Finding]:
    """Where each program is, or who would miss it."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}"
    for program in programs:
        found = next((place for name in program.names if (place := shutil.which(name, path=path))), "")
        missing = f"{program.names[0]} is not here; {program.purpose} needs it: apt-get install {program.package}"
        yield fine("program", f"{found}: {program.purpose}" if found else missing)
