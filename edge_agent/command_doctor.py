"""``edge-agent doctor``: everything that can be checked before one asks for help."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_agent.doctor import examine
from edge_agent.exit_code import ExitCode
from edge_agent.finding import FAIL, Finding, worst
from edge_agent.logs import mute_logs
from edge_agent.output import say, say_json


def doctor(config_path: Path, *, as_json: bool) -> ExitCode:
    """Print what each check finds, as soon as it is found; fails if one of them does."""
    mute_logs()
    findings = []
    for finding in examine(config_path):
        findings.append(finding)
        if not as_json:
            _say(finding)
    if as_json:
        say_json(doctor_document(findings))
    return ExitCode.DOCTOR_FAILED if worst(findings) == FAIL else ExitCode.OK


def doctor_document(findings: list[Finding]) -> dict[str, Any]:
    """The findings for a script."""
    return {"verdict": worst(findings), "findings": [asdict(finding) for finding in findings]}


def _say(finding: Finding) -> None:
    say(f"{finding.level:5} {finding.check:17} {finding.text}")
    if finding.advice:
        say(f"{'':5} {'':17} -> {finding.advice}")
