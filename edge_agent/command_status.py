"""``edge-agent status``: what the running agent last said of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_agent.config import load_config
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.status_file import is_stale, is_stopped, read_status
from edge_agent.verdict import FAILING, OK


def status(config_path: Path, *, as_json: bool) -> ExitCode:
    """Print the status document; the exit code says whether an agent runs.

    Raises:
        ConfigError: The config is wrong.
    """
    config = load_config(config_path)
    document = read_status(config.agent.state_dir)
    if document:
        # An agent of an older version may have left it.
        document = {"health": OK, "health_reasons": [], "process": {}, "heard_s": {}, **document}
    if as_json:
        say_json(document)
    elif not document:
        say(f"{config.agent.id}: no status in {config.agent.state_dir}; the agent has not run yet")
    else:
        _say(document)
    if is_stopped(document):
        return ExitCode.NOT_RUNNING
    if is_stale(document):
        return ExitCode.STALE
    return ExitCode.FAILING if document["health"] == FAILING else ExitCode.OK


def _say(document: dict[str, Any]) -> None:
    link = document["link"]
    say(f"{document['agent']}: {document['state']} {document['reason']}".rstrip())
    say(f"  bundle   {document['bundle_id']} ({document['bundle_digest'][:16]})")
    say(f"  link     {'up' if link['connected'] else 'down'} {link['error']}".rstrip())
    say(f"  updated  {document['updated']}{' (STALE)' if is_stale(document) else ''}")
    say(f"  health   {document['health']} {', '.join(document['health_reasons'])}".rstrip())
    for name, figure in document["process"].items():
        say(f"  {name:32} {figure}")
    for engine, age_s in document["heard_s"].items():
        say(f"  engine {engine}, heard {age_s:.1f} s before")
    for name, count in document["counters"].items():
        say(f"  {name:32} {count}")
