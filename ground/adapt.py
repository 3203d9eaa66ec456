"""The command ``ground adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.terminal import say_json

if TYPE_CHECKING:
    from ground.adaptation import Adaptation

_SHOWN_SHIFTS = 5


def adapt(
    config: Annotated[Path, typer.Option("--config", help="YAML config of the detector.")],
    unit: Annotated[str, typer.Option("--unit", help="The unit: unit_id in recordings.csv.")],
    workspace: Annotated[Path, typer.Option("--workspace", help="Workspace of the evaluated detector.")] = Path(),
    unit_workspace: Annotated[
        Path | None,
        typer.Option("--unit-workspace", help="Workspace with the unit's preprocessed recordings; default: the same."),
    ] = None,
    windows: Annotated[int, typer.Option("--windows", help="Learn from so many first healthy windows at most.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """Adapt the evaluated detector to one unit, from the first healthy windows of that unit."""
    from ground.adaptation import adapt as adapt_candidate
    from ground.adaptation import adapted_folder
    from ground.config import load_config
    from ground.progress_bar import shown_progress
    from ground.workspace import Workspace

    loaded, home = load_config(config), Workspace(workspace)
    console = Console(stderr=True)
    with shown_progress(console) as progress:
        source = Workspace(unit_workspace) if unit_workspace else home
        adaptation = adapt_candidate(loaded, home, unit, windows=windows, source=source, progress=progress)
    folder = adapted_folder(loaded, home, unit)
    if as_json:
        say_json({"folder": folder, **adaptation.document()})
        return
    for line in (*_lines(adaptation), f"adapted, not evaluated: {folder}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(adaptation: Adaptation) -> tuple[str, ...]:
    """What was learned from, and the largest shifts."""
    largest = sorted(adaptation.shift_spreads.items(), key=lambda item: -abs(item[1]))[:_SHOWN_SHIFTS]
    shifts = ", ".join(f"{name} {shift:+.2f}" for name, shift in largest)
    n_used, n_seen, n_alarm = len(adaptation.windows), adaptation.windows_seen, adaptation.windows_in_alarm
    return (
        f"learned from {n_used} of the first {n_seen} healthy windows, {n_alarm} in alarm left out",
        f"largest shifts, in healthy spreads: {shifts}",
    )
