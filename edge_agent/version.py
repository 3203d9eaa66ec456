"""The version of this agent."""

from __future__ import annotations

from typing import Final

AGENT_VERSION: Final = "0.1.0"
"""As in pyproject.toml, which a test holds against it; to ask the installer's records costs a tenth of a start."""
