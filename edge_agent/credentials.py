"""The broker's password, from a file: a secret has no place in a config."""

from __future__ import annotations

from pathlib import Path

from edge_agent.config import NO_PASSWORD_FILE
from edge_agent.errors import LinkError


def read_password(path: Path) -> str:
    """The password in a file, without a final line break; empty where there is no file.

    Raises:
        LinkError: The file cannot be read.
    """
    if path == NO_PASSWORD_FILE:
        return ""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise LinkError(f"broker.password_file: expected a readable file, got {error}; check the path") from error
