"""Passwords, from files: a secret has no place in a config."""

from __future__ import annotations

from pathlib import Path

from edge_agent.broker_section import NO_FILE
from edge_agent.errors import LinkError


def read_password(path: Path, key: str = "broker.password_file") -> str:
    """The password in a file, without a final line break; empty where there is no file.

    Args:
        path: The file.
        key: The key of the config that names it.

    Raises:
        LinkError: The file cannot be read.
    """
    if path == NO_FILE:
        return ""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise LinkError("files", f"{key}: expected a readable file, got {error}; {how_to_read(error)}") from error


def how_to_read(error: Exception) -> str:
    """What to do about a file of ``[broker]`` that the agent could not read."""
    if isinstance(error, PermissionError):
        return "let the agent's user read it; under systemd a secret goes into /etc/edge-agent/credentials"
    return "check the path"
