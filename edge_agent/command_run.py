"""``edge-agent run``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.config import load_config
from edge_agent.exit_code import ExitCode
from edge_agent.logs import configure_logs
from edge_agent.sdnotify import Notifier
from edge_agent.startup import load_configured, load_shadow


def run(config_path: Path) -> ExitCode:
    """Run the agent until SIGTERM or SIGINT.

    Raises:
        ConfigError: The config, a key file or the state folder is wrong.
        BundleError: The bundle is refused.
    """
    config = load_config(config_path)
    configure_logs(config.agent.log_level)
    model, shadow = load_configured(config), load_shadow(config)
    agent = Agent(config, model, Notifier.from_environment(os.environ), shadow)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    return ExitCode.OK if agent.run() else ExitCode.UNEXPECTED
