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
    report: Annotated[bool, typer.Option("--report", help="Also write an HTML page about the results.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="The same, and print it to a PDF by Chromium.")] = False,
) -> None:
    """Assess recordings with the agent's own detector, on all cores."""
    from ground.batch import ModelSource, run_batch
    from ground.batch_record import batch_command, now, write_record
    from ground.keys import default_public_key
    from ground.report.command import report_of_batch

    keys = tuple(key or [default_public_key(model)])
    source, began = ModelSource(model, keys, units), now()
    with shown() as progress:
        outcome = run_batch(source, data, output, progress=progress, workers=workers)
    left_out = tuple(failure.text for failure in outcome.failures)
    command = batch_command(model, data, output, keys, units)
    write_record(output, command=command, began=began, ended=now(), recordings=outcome.recordings, left_out=left_out)
    say(f"{outcome.assessments} windows, {outcome.alarms} alarms raised: {output}")
    for text in left_out:
        say(f"left out: {text}")
    if report or pdf:
        report_of_batch(output, pdf=pdf)
    if left_out:
        raise typer.Exit(ExitCode.PARTLY_FAILED)
