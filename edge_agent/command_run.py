"""``edge-agent run``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import structlog

from edge_agent.agent import Agent
from edge_agent.config_source import ConfigSource
from edge_agent.exit_code import ExitCode
from edge_agent.heap import use_one_heap
from edge_agent.log_writer import LogWriter
from edge_agent.logs import configure_logs
from edge_agent.sdnotify import Notifier
from edge_agent.startup import load_shadow, start_configured

_STANDARD_ERROR = 2

_log = structlog.get_logger(__name__)


def run(config_path: Path) -> ExitCode:
    """Run the agent until SIGTERM or SIGINT; SIGHUP makes it read its config again.

    Raises:
        ConfigError: The config is wrong and none is kept, a key file or the state folder is wrong.
        BundleError: The bundle is refused.
    """
    use_one_heap()
    # Until there is an agent to reload, SIGHUP must not end the process either.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    source = ConfigSource(config_path)
    config = source.at_start()
    configure_logs(config.agent.log_level, LogWriter(_STANDARD_ERROR))
    if source.error:
        _log.error("config rejected, the last one that ran stays in force", error=source.error)
    notifier = Notifier.from_environment(os.environ)
    notifier.loading(f"loading {'the active slot' if config.bundle.slots else config.bundle.path}")
    # No name here for the bundle: it would stay in memory when another one has taken its place.
    agent = Agent(config, start_configured(config), notifier, source, load_shadow(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    signal.signal(signal.SIGHUP, lambda *_: agent.reload())
    try:
        return ExitCode.OK if agent.run() else ExitCode.UNEXPECTED
    except Exception:  # noqa: BLE001 - in the log it stands as one line that tools can read
        _log.critical("agent failed", exc_info=True)
        return ExitCode.UNEXPECTED
