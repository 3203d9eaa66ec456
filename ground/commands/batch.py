"""``ground batch``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ground.exit_code import ExitCode
from ground.terminal import say, shown


def batch(
    model: Annotated[Path, typer.Option("--model", help="models/<detector>/<version>, or a .bundle file.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with recordings.csv.")],
    output: Annotated[Path, typer.Option("--output", help="Parquet file for the results.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key(s); default: keys/public.pem of the model's workspace."),
    ] = None,
    *,
    units: Annotated[
        Path | None, typer.Option("--units", help="Units as an agent knows them: units in its state folder.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, show_default="all cores")] = os.cpu_count() or 1,
) -> None:
    """Assess recordings with the agent's own detector, on all cores."""
    from ground.batch import ModelSource, run_batch
    from ground.keys import default_public_key

    keys = tuple(key or [default_public_key(model)])
    with shown() as progress:
        report = run_batch(ModelSource(model, keys, units), data, output, progress=progress, workers=workers)
    say(f"{report.assessments} windows, {report.alarms} alarms raised: {output}")
    for failure in report.failures:
        say(f"left out: {failure.text}")
    if report.failures:
        raise typer.Exit(ExitCode.PARTLY_FAILED)
