"""The broker's password, from a file: a secret has no place in a config."""

from __future__ import annotations

import os
from pathlib import Path

from edge_agent.config import NO_PASSWORD_FILE
from edge_agent.errors import LinkError


def is_readable_secret(path: Path) -> bool:
    """Whether there is nothing to read, or it can be read by this user."""
    return path == NO_PASSWORD_FILE or os.access(path, os.R_OK)


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
