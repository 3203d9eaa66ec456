"""What the commands print for people and for scripts, on standard output."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def say(line: str) -> None:
    """Print a line."""
    try:
        sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        _fall_silent()


def finish() -> None:
    """Print what was said and is still held back."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _fall_silent()


def say_json(document: dict[str, Any]) -> None:
    """Print a document as one JSON object."""
    say(json.dumps(document, indent=1))


def complain(line: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"edge-agent: {line}\n")


def printable(text: str) -> str:
    """``text`` on one line, without what a terminal would obey: names and values in it may be an attacker's."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _fall_silent() -> None:
    # Whoever read us has read enough. The command ends with its own code, and the interpreter does not complain either.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
