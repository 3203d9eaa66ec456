"""What the commands print for people and for scripts, on standard output."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def say_json(document: dict[str, Any]) -> None:
    """Print a document as one JSON object."""
    say(json.dumps(document, indent=1))


def complain(line: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"edge-agent: {line}\n")
