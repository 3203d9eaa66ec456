"""``ground doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.options import JsonOption
from ground.exit_code import ExitCode
from ground.terminal import say_json

if TYPE_CHECKING:
    from edge_agent.finding import Finding

_DEFAULT_CONFIG = "config.yaml"


def doctor(
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="Also look at this workspace, and say what comes next.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Its config; default: config.yaml in it, where there is one.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check Python, libraries, programs, disk and keys, and say what to do; exit code 3 where something must be."""
    from edge_agent.finding import FAIL, worst
    from ground.doctor.examination import examine

    home = Path() if config is not None and workspace is None else workspace
    if config is None and home is not None and (home / _DEFAULT_CONFIG).is_file():
        config = home / _DEFAULT_CONFIG
    findings: list[Finding] = []
    for finding in examine(home, config):
        findings.append(finding)
        if not as_json:
            _print(finding)
    verdict = worst(findings)
    if as_json:
        say_json({"verdict": verdict, "findings": [asdict(each) for each in findings]})
    if verdict == FAIL:
        raise typer.Exit(ExitCode.REFUSED)


def _print(finding: Finding) -> None:
    from edge_agent.output import printable

    typer.echo(f"{finding.level:5} {finding.check:11} {printable(finding.text)}")
    if finding.advice:
        typer.echo(f"{'':5} {'':11} -> {printable(finding.advice)}")
