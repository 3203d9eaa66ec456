"""The command ``ground tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.terminal import say_json


def tune(
    config: Annotated[Path, typer.Option("--config", help="YAML config of the detector.")],
    workspace: Annotated[Path, typer.Option("--workspace", help="Workspace after `ground featurize`.")] = Path(),
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many values to try.")] = 30,
    out: Annotated[
        Path | None, typer.Option("--out", help="The tuned config; default: <config>.tuned.yaml beside it.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Search hyperparameters of the family that ships, on the fit groups alone, and write a tuned config."""
    from ground.config import load_config
    from ground.progress_bar import shown_progress
    from ground.tuning import search, tuned_yaml
    from ground.workspace import Workspace, write_atomic

    loaded = load_config(config)
    path = out or config.with_suffix(".tuned.yaml")
    console = Console(stderr=True)
    with shown_progress(console) as progress:
        tuned = search(loaded, Workspace(workspace), trials=trials, progress=progress)
    write_atomic(path, tuned_yaml(config.read_text(encoding="utf-8"), tuned, origin=config.name).encode())
    if as_json:
        settings = tuned.settings.model_dump(mode="json")
        found = {"trials": tuned.trials, "configured": tuned.configured, "best": tuned.best}
        say_json({"config": path, "settings": settings, **found})
        return
    line = f"{path}: partial AUC {tuned.best:.4f} of {tuned.trials} trials, as configured {tuned.configured:.4f}"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
