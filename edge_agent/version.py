"""The version of this agent, as installed."""

from __future__ import annotations

from importlib.metadata import version

AGENT_VERSION = version("enginear-edge-agent")
