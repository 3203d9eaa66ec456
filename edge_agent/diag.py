"""What ``edge-agent diag`` gathers: a map of file names to texts, free of secrets."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from edge_agent.audit_check import check_log
from edge_agent.command_audit import audit_document, log_documents
from edge_agent.command_doctor import doctor_document
from edge_agent.command_spool import check_document, stats_document
from edge_agent.config import AgentConfig, load_config
from edge_agent.credentials import read_password
from edge_agent.doctor import examine
from edge_agent.doctor_machine import installed
from edge_agent.doctor_systemd import UNIT, unit_properties
from edge_agent.errors import AgentError
from edge_agent.health import utc_now
from edge_agent.redact import redact, scrub, secret_files
from edge_agent.status_file import STATUS_FILE

CONTENT: Final = {
    "about.json": "versions of the agent and its libraries, the machine, the time",
    "config.json": "the config in force, defaults included, without secrets; or why it is refused",
    "doctor.json": "what `edge-agent doctor` finds",
    "status.json": "what the agent last said of itself: state, verdict, counters, latencies, process",
    "journal.json": "what `edge-agent spool check` and `stats` find; no message",
    "audit.json": "what `edge-agent audit verify` finds, and the lines of the audit log",
    "state_folder.txt": "names, sizes and times of the files in the state folder; not what is in them",
    "unit.json": "what systemd says of the unit",
    "log.txt": "the unit's last 2,000 log lines",
}
"""The files of a diagnostic archive, and what each holds."""

_LOG_LINES = 2_000
_LOG_BYTES = 4 * 1024 * 1024
_LOG_TIMEOUT_S = 20.0
_MOST_FILES = 10_000


def gather(config_path: Path) -> dict[str, str]:
    """The files of a diagnostic archive by name. Whatever cannot be had says why, in its place."""
    config, refusal = _config(config_path)
    secrets = _secrets(config)
    texts = {
        "about.json": _json(_about()),
        "config.json": _json(redact(asdict(config[0])) if config else {"refused": refusal}),
        "doctor.json": _json(doctor_document(list(examine(config_path)))),
        "status.json": _read(config, STATUS_FILE),
        "journal.json": _json(_journal(config)),
        "audit.json": _json(_audit(config)),
        "state_folder.txt": _listing(config),
        "unit.json": _json(unit_properties()),
        "log.txt": _log(),
    }
    clean = {name: scrub(text, secrets) for name, text in texts.items()}
    return {"README.txt": "".join(f"{name}: {text}\n" for name, text in CONTENT.items()), **clean}


def _config(path: Path) -> tuple[list[AgentConfig], str]:
    """The config, or none and why."""
    try:
        return [load_config(path)], ""
    except AgentError as error:
        return [], str(error)


def _secrets(config: list[AgentConfig]) -> list[str]:
    """Every secret that the agent knows, to be found and taken out wherever it slipped in."""
    files = [path for each in config for path in secret_files(each)]
    # os.path: a folder that is closed to us is no file, and no error.
    return [read_password(path) for path in files if os.path.isfile(path) and os.access(path, os.R_OK)]  # noqa: PTH113


def _about() -> dict[str, Any]:
    return {
        "made": utc_now(),
        "versions": installed(),
        "machine": platform.uname()._asdict(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_1_5_15_min": os.getloadavg(),
    }


def _read(config: list[AgentConfig], name: str) -> str:
    for each in config:
        try:
            return (each.agent.state_dir / name).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"not there: {error.strerror}\n"
    return "not looked for: there is no good config\n"


def _journal(config: list[AgentConfig]) -> dict[str, Any]:
    try:
        return {"stats": stats_document(config[0]), "check": check_document(config[0])} if config else {}
    except AgentError as error:
        return {"error": str(error)}


def _audit(config: list[AgentConfig]) -> dict[str, Any]:
    try:
        folders = [each.agent.state_dir for each in config]
        return {"logs": [{**audit_document(check_log(each)), "lines": log_documents(each)} for each in folders]}
    except OSError as error:
        return {"error": str(error)}


def _listing(config: list[AgentConfig]) -> str:
    lines: list[str] = []
    for each in config:
        for folder, _, names in os.walk(each.agent.state_dir):
            lines += [_line(Path(folder) / name, each.agent.state_dir) for name in sorted(names)]
            if len(lines) >= _MOST_FILES:
                return "".join([*lines[:_MOST_FILES], "...\n"])
    return "".join(lines)


def _line(path: Path, folder: Path) -> str:
    try:
        facts = path.lstat()
    except OSError as error:
        # The agent works on while we look.
        return f"{path.relative_to(folder)}: {error.strerror}\n"
    return f"{facts.st_size:12} {facts.st_mtime:.0f} {oct(facts.st_mode)} {path.relative_to(folder)}\n"


def _log() -> str:
    journalctl = shutil.which("journalctl")
    if journalctl is None:
        return "no journalctl here: look where the agent's standard error goes\n"
    command = [journalctl, "-u", UNIT, "-n", str(_LOG_LINES), "-o", "short-iso-precise", "--no-pager"]
    try:
        answer = subprocess.run(command, check=False, capture_output=True, timeout=_LOG_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return f"journalctl: {error}\n"
    return (answer.stdout[-_LOG_BYTES:] + answer.stderr).decode(errors="replace")


def _json(document: Any) -> str:
    return json.dumps(document, indent=1) + "\n"
