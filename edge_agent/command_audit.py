"""``edge-agent audit``: read the audit log, and see that nobody has changed it; the agent may run meanwhile."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.audit_check import Check, check_log, places
from edge_agent.audit_record import AuditLine, Head
from edge_agent.config import load_config
from edge_agent.errors import ConfigError
from edge_agent.exit_code import ExitCode
from edge_agent.output import say, say_json

_DIGITS = 16


def audit_verify(config_path: Path, *, head: str, as_json: bool) -> ExitCode:
    """Check chain, numbers and files of the log; ``head`` is a line that must be in it, or empty.

    Raises:
        ConfigError: The config or ``head`` is wrong, or the log may not be read.
    """
    check = check_log(_readable(config_path), expected=_head(head) if head else Head())
    if as_json:
        say_json(audit_document(check))
    else:
        _say(check)
    return ExitCode.OK if check.is_whole else ExitCode.AUDIT_BROKEN


def audit_show(config_path: Path, *, since: str, as_json: bool) -> ExitCode:
    """Print the lines of the log, from a time on; those that are damaged are said to be.

    Raises:
        ConfigError: The config or ``since`` is wrong, or the log may not be read.
    """
    folder, begin = _readable(config_path), _time(since) if since else ""
    documents = [document for document in log_documents(folder) if document.get("utc", begin) >= begin]
    if as_json:
        say_json({"lines": documents})
        return ExitCode.OK
    for document in documents:
        if "damaged" in document:
            say(f"{document['file']}:{document['line']}: damaged: {document['damaged']}")
            continue
        what = " ".join(filter(None, (document["bundle_id"], document["digest"][:_DIGITS], document["reason"])))
        say(f"{document['utc']}  {document['seq']:>6}  {document['kind']:15} {what}  {document['detail']}")
    return ExitCode.OK


def audit_document(check: Check) -> dict[str, Any]:
    """What a check came to, as JSON types."""
    return {
        "whole": check.is_whole,
        "lines": check.lines,
        "first": check.first,
        "head": str(check.head),
        "torn_bytes": check.torn_bytes,
        "fault": asdict(check.faults[0]) if check.faults else {},
    }


def log_documents(folder: Path) -> list[dict[str, Any]]:
    """All lines as JSON types; in the place of a damaged one, where it stands and what is wrong with it.

    Raises:
        OSError: A file cannot be read.
    """
    documents: list[dict[str, Any]] = []
    for place in places(folder):
        try:
            documents.append(AuditLine.from_bytes(place.data).document())
        except ValueError as error:
            documents.append({"file": place.file, "line": place.number, "damaged": str(error)})
    return documents


def _say(check: Check) -> None:
    for fault in check.faults:
        say(f"BROKEN  {fault.file}{f', line {fault.line}' if fault.line else ''}: {fault.reason}: {fault.text}")
    say(f"{check.lines} lines are good, from {check.first} to {check.head}")
    if check.torn_bytes:
        say(
            f"{check.torn_bytes} bytes at the end were torn by a power cut; the next decision cuts them off and says so"
        )


def _readable(config_path: Path) -> Path:
    folder = load_config(config_path).agent.state_dir
    try:
        # Of a folder that is there, everything else is the log's own fault.
        list(folder.iterdir())
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be read, got {folder}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
    return folder


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as error:
        raise ConfigError(f"--head: {error}; take it from the status or from a message of topics.trust") from error


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--since: expected a time such as 2026-11-28T12:00, got {text!r}; correct it") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
