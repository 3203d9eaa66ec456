"""Checks of the state folder, of the running agent, and of where its metrics go."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from edge_agent.command_spool import check_document, stats_document
from edge_agent.errors import ConfigError
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.metrics_config import NO_TEXTFILE
from edge_agent.process_gauges import free_bytes
from edge_agent.status_file import is_stale, is_stopped, read_status, why_stale
from edge_agent.verdict import FAILING, LOW_DISK_BYTES, OK, advice_on

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

_AMPLE_DISK_BYTES: Final = 8 * LOW_DISK_BYTES
_NEARLY_FULL = 0.9
_MIB = 1024 * 1024


def check_state_dir(config: AgentConfig) -> Finding:
    """Whether the agent can keep its state; looks, and writes nothing."""
    folder = config.agent.state_dir
    if not folder.exists():
        return warn("state folder", f"{folder} is not there yet", "start the agent: it, or its unit, makes it")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return fail("state folder", f"{folder} cannot be written by this user", "ask as the agent's user or as root")
    free = free_bytes(folder)
    text = f"{folder}, {free / _MIB:.0f} MiB free"
    if free < LOW_DISK_BYTES:
        return fail("state folder", text, f"make room: less than {LOW_DISK_BYTES // _MIB} MiB will not do")
    if free < _AMPLE_DISK_BYTES:
        return warn("state folder", text, "make room before it runs full")
    return fine("state folder", text)


def check_agent(config: AgentConfig) -> Finding:
    """Whether the agent runs, and what it says of itself."""
    try:
        document = read_status(config.agent.state_dir)
    except ConfigError as error:
        return fail("agent", str(error), "ask as the agent's user or as root")
    if is_stopped(document):
        return warn("agent", "does not run", "systemctl start edge-agent")
    if is_stale(document):
        silence = f"last heard of at {document['updated']}; {why_stale(document)}"
        return fail("agent", silence, "see its log, and the state folder above")
    health, reasons = document.get("health", OK), document.get("health_reasons", ())
    if health == OK:
        return fine("agent", f"runs {document['bundle_id']}, ok")
    say = fail if health == FAILING else warn
    advice = "; ".join(f"{reason}: {advice_on(reason)}" for reason in reasons)
    return say("agent", f"{health}: {', '.join(reasons)}", advice or "see its log")


def check_journal(config: AgentConfig) -> Finding:
    """Whether what waits on disk can be read, and has room."""
    if not config.journal.enabled:
        return fine("journal", "off: a restart loses what the broker has not acknowledged")
    stats, check = stats_document(config), check_document(config)
    text = f"{check['waiting']} messages wait, {stats['bytes'] / _MIB:.1f} of {stats['max_mib']} MiB"
    if check["damaged"]:
        advice = "nothing: they are cut out, and the others are sent; if it goes on, replace the disk"
        return warn("journal", f"{text}, {check['damaged']} records damaged", advice)
    if stats["bytes"] > _NEARLY_FULL * stats["max_mib"] * _MIB:
        return warn("journal", text, "mend the link, or raise journal.max_mib: the least and oldest goes next")
    return fine("journal", text)


def check_metrics(config: AgentConfig) -> Iterator[Finding]:
    """Whether metrics are asked for, and can be given."""
    metrics = config.metrics
    if metrics.listen:
        host, port = metrics.address
        if ipaddress.ip_address(host).is_loopback:
            yield fine("metrics port", f"{host}:{port}")
        else:
            yield warn(
                "metrics port",
                f"{host}:{port} can be reached from other machines, and asks nobody for a password",
                "listen on 127.0.0.1, or close the port to all but Prometheus",
            )
    if metrics.textfile != NO_TEXTFILE:
        folder = metrics.textfile.parent
        if os.access(folder, os.W_OK | os.X_OK):
            yield fine("metrics textfile", str(metrics.textfile))
        else:
            yield fail("metrics textfile", f"{folder} cannot be written", "make it; docs/how-to/monitor.md says how")
