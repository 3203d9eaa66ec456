"""``edge-agent run``."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import structlog

from edge_agent.agent import Agent
from edge_agent.config_source import ConfigSource
from edge_agent.exit_code import ExitCode
from edge_agent.folder_lock import FolderLock
from edge_agent.heap import use_one_heap
from edge_agent.log_writer import LogWriter
from edge_agent.logs import configure_logs
from edge_agent.sdnotify import Notifier
from edge_agent.slots_boot import given_back
from edge_agent.slots_ledger import SlotLedger
from edge_agent.startup import load_shadow, start_configured
from edge_agent.status_file import prepare_folder

_STANDARD_ERROR = 2
_ENDS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


def run(config_path: Path) -> ExitCode:
    """Run the agent until SIGTERM or SIGINT; SIGHUP makes it read its config again.

    Raises:
        ConfigError: The config is wrong and none is kept, a key file or the state folder is wrong, or another agent
            uses that.
        BundleError: The bundle is refused.
    """
    use_one_heap()
    for number in _ENDS:
        signal.signal(number, _leave)
    # Until there is an agent to reload, SIGHUP must not end the process either.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    source = ConfigSource(config_path)
    config = source.at_start()
    configure_logs(config.agent.log_level, LogWriter(_STANDARD_ERROR))
    if source.error:
        _log.error("config rejected, the last one that ran stays in force", error=source.error)
    prepare_folder(config.agent.state_dir)
    # Before a boot is counted: a second agent, refused here, must cost the bundle of the first one nothing.
    lock = FolderLock(config.agent.state_dir)
    notifier = Notifier.from_environment(os.environ)
    notifier.loading(f"loading {'the active slot' if config.bundle.slots else config.bundle.path}")
    with given_back(SlotLedger(config.agent.state_dir)):
        # No name here for the bundle: it would stay in memory when another one has taken its place.
        agent = Agent(
            config,
            start_configured(config, notifier.loading),
            notifier,
            source,
            lock=lock,
            shadow=load_shadow(config, notifier.loading),
        )
        for number in _ENDS:
            signal.signal(number, lambda *_: agent.stop())
    signal.signal(signal.SIGHUP, lambda *_: agent.reload())
    try:
        return ExitCode.OK if agent.run() else ExitCode.UNEXPECTED
    except Exception:  # noqa: BLE001 - in the log it stands as one line that tools can read
        _log.critical("agent failed", exc_info=True)
        return ExitCode.UNEXPECTED


def _leave(*_: object) -> NoReturn:
    """End a start: there is no agent yet that could be asked to."""
    for number in _ENDS:
        # Not twice: the way out writes.
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(ExitCode.OK)
