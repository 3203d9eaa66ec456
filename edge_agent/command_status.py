"""``edge-agent status``: what the running agent last said of itself."""

from __future__ import annotations

from pathlib import Path

from edge_agent.config import load_config
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.status_file import is_stale, is_stopped, read_status


def status(config_path: Path, *, as_json: bool) -> ExitCode:
    """Print the status document; the exit code says whether an agent runs.

    Raises:
        ConfigError: The config is wrong.
    """
    config = load_config(config_path)
    document = read_status(config.agent.state_dir)
    if as_json:
        say_json(document)
    elif not document:
        say(f"{config.agent.id}: no status in {config.agent.state_dir}; the agent has not run yet")
    else:
        link = document["link"]
        say(f"{document['agent']}: {document['state']} {document['reason']}".rstrip())
        say(f"  bundle   {document['bundle_id']} ({document['bundle_digest'][:16]})")
        say(f"  link     {'up' if link['connected'] else 'down'} {link['error']}".rstrip())
        say(f"  updated  {document['updated']}{' (STALE)' if is_stale(document) else ''}")
        for name, count in document["counters"].items():
            say(f"  {name:32} {count}")
    if is_stopped(document):
        return ExitCode.NOT_RUNNING
    return ExitCode.STALE if is_stale(document) else ExitCode.OK
