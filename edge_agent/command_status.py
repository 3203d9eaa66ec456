"""``edge-agent status``: what the running agent last said of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_agent.config import likely_state_dir, load_config
from edge_agent.config_source import ConfigSource
from edge_agent.errors import ConfigError
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json
from edge_agent.status_file import is_stale, is_stopped, read_status, why_stale
from edge_agent.trust_view import UNUSED
from edge_agent.verdict import FAILING, OK, advice_on


def status(config_path: Path, *, as_json: bool) -> ExitCode:
    """Print the status document; the exit code says whether an agent runs.

    Raises:
        ConfigError: The config is wrong. What the agent said is printed all the same, where its folder can be made out:
            it may run on, by the config before. The text says whether a start would.
    """
    try:
        config = load_config(config_path)
    except ConfigError as error:
        document = _read(likely_state_dir(config_path))
        if document and not as_json:
            _say(document)
        raise ConfigError(f"{error}; {ConfigSource(config_path).outlook()}") from error
    document = _read(config.agent.state_dir)
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


def _read(folder: Path) -> dict[str, Any]:
    document = read_status(folder)
    # An agent of an older version may have left it.
    defaults = {"health": OK, "health_reasons": [], "process": {}, "heard_s": {}, "audit_head": ""}
    return {**defaults, **document} if document else {}


def _is_silent(document: dict[str, Any]) -> bool:
    return is_stale(document) and not is_stopped(document)


def _say(document: dict[str, Any]) -> None:
    link = document["link"]
    say(f"{document['agent']}: {document['state']} {document['reason']}".rstrip())
    say(f"  bundle   {document['bundle_id']} ({document['bundle_digest'][:16]})")
    _say_trust(document)
    say(f"  link     {'up' if link['connected'] else 'down'} {link['error']}".rstrip())
    say(f"  updated  {document['updated']}{f' (STALE: {why_stale(document)})' if _is_silent(document) else ''}")
    say(f"  health   {document['health']} {', '.join(document['health_reasons'])}".rstrip())
    for reason in filter(advice_on, document["health_reasons"]):
        say(f"           {reason}: {advice_on(reason)}")
    if document["config"]["error"]:
        say(f"  config   the files are refused, the one before is in force: {document['config']['error']}")
    shadow = document.get("shadow", {})
    if what := shadow.get("bundle_id") or shadow.get("reason"):
        say(f"  shadow   {shadow['state']} {what}")
    for name, figure in document["process"].items():
        say(f"  {name:32} {figure}")
    for engine, age_s in document["heard_s"].items():
        say(f"  engine {engine}, heard {age_s:.1f} s before")
    for name, count in document["counters"].items():
        say(f"  {name:32} {count}")


def _say_trust(document: dict[str, Any]) -> None:
    if document.get("part_number"):
        say(f"  part     {document['part_number']}")
    if document.get("bundle_expired"):
        say(f"  EXPIRED  its last day was {document['expires']}; it runs on until another one is installed")
    slots = document.get("slots", {"stage": UNUSED})
    if slots["stage"] != UNUSED:
        why = slots["error"] or slots["reason"]
        say(f"  slots    {slots['stage']}{f', for {why}' if why else ''}, mark {slots['mark']}")
    if document["audit_head"]:
        say(f"  audit    {document['audit_head']}")
