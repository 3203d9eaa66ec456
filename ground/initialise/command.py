"""The command ``ground init``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.terminal import say_json

if TYPE_CHECKING:
    from rich.table import Table

    from ground.initialise.proposal import Proposal

CONFIG_NAME = "config.yaml"


def init(
    data: Annotated[Path, typer.Option("--data", help="Folder with recordings.csv.")],
    dataset: Annotated[str | None, typer.Option("--set", help="Which dataset of the folder.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for config.yaml; becomes the workspace.")] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at recordings and write a config for them, and a contract where the packaged one does not fit."""
    from ground.initialise.proposal import propose
    from ground.progress_bar import shown_progress

    refuse_overwrite(out, force=force)
    with shown_progress(Console(stderr=True)) as progress:
        proposal = propose(data, dataset, progress=progress)
    write(proposal, out)
    read, *commands = next_commands(data, dataset, out)
    if as_json:
        say_json(_document(proposal, out, commands))
        return
    Console().print(_table(proposal))
    for line in (read, *commands):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def refuse_overwrite(out: Path, *, force: bool) -> None:
    """Refuse to replace a config or a contract that a person may have corrected.

    Raises:
        ConfigError: One of them is there, and ``force`` is not given.
    """
    from ground.errors import ConfigError
    from ground.initialise.document import CONTRACT_NAME

    there = [out / name for name in (CONFIG_NAME, CONTRACT_NAME) if (out / name).exists()]
    if there and not force:
        raise ConfigError(f"{there[0]}: expected no such file yet, got one; choose another --out, or --force")


def write(proposal: Proposal, out: Path) -> None:
    """Write what is proposed into a folder; a contract that an earlier proposal left goes where none is needed."""
    from ground.initialise.document import CONTRACT_NAME
    from ground.workspace import write_atomic

    if proposal.contract_yaml:
        write_atomic(out / CONTRACT_NAME, proposal.contract_yaml.encode())
    else:
        (out / CONTRACT_NAME).unlink(missing_ok=True)
    write_atomic(out / CONFIG_NAME, proposal.config_yaml.encode())


def next_commands(data: Path, dataset: str | None, out: Path) -> tuple[str, ...]:
    """What to type next."""
    quoted = shlex.quote
    chosen = f" --set {quoted(dataset)}" if dataset else ""
    folder, config = quoted(str(out)), quoted(str(out / CONFIG_NAME))
    return (
        f"Read {out / CONFIG_NAME}, correct what is doubted, then:",
        f"ground import --data {quoted(str(data))}{chosen} --config {config} --workspace {folder}",
        f"ground keys new --out {quoted(str(out / 'keys'))}",
        f"ground pipeline --config {config} --workspace {folder} --version 0.1.0",
    )


def _document(proposal: Proposal, out: Path, commands: Sequence[str]) -> dict[str, Any]:
    """The proposal, the files it went into, and what to type next."""
    from ground.initialise.document import CONTRACT_NAME

    return {
        "detector": proposal.config.detector,
        "config": out / CONFIG_NAME,
        "contract": out / CONTRACT_NAME if proposal.contract_yaml else "",
        "recordings": proposal.recordings,
        "findings": proposal.findings,
        "doubts": proposal.doubts,
        "next": commands,
    }


def _table(proposal: Proposal) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=proposal.config.detector, show_lines=False)
    table.add_column("what")
    table.add_column("found and chosen")
    for line in proposal.findings:
        what, _, finding = line.partition(": ")
        table.add_row(Text(what), Text(finding))
    for number, doubt in enumerate(proposal.doubts):
        table.add_row(Text("" if number else "doubts"), Text(doubt), end_section=False)
    return table
