"""``ground batch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.engines import CORES, LOCAL, EngineOption, SchedulerOption, WorkersOption, engine_of
from ground.errors import ConfigError
from ground.exit_code import ExitCode
from ground.terminal import say, shown

if TYPE_CHECKING:
    from ground.batch import ModelSource
    from ground.bulk.run import BatchReport

_NAMED = 3


def batch(
    model: Annotated[Path, typer.Option("--model", help="models/<detector>/<version>, or a .bundle file.")],
    data: Annotated[
        str, typer.Option("--data", help="Folder or URL with recordings.csv, or with aircraft=A/engine=E/flight=F.")
    ],
    output: Annotated[str, typer.Option("--output", help="Parquet file for the results; path or URL.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key(s); default: keys/public.pem of the model's workspace."),
    ] = None,
    *,
    units: Annotated[
        Path | None, typer.Option("--units", help="Units as an agent knows them: units in its state folder.")
    ] = None,
    engine: EngineOption = LOCAL,
    scheduler: SchedulerOption = "",
    workers: WorkersOption = CORES,
    report: Annotated[bool, typer.Option("--report", help="Also write an HTML page about the results.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="The same, and print it to a PDF by Chromium.")] = False,
) -> None:
    """Assess recordings with the agent's own detector, on all cores or a cluster; a run that was ended goes on."""
    from ground.batch import ModelSource
    from ground.batch_record import now
    from ground.bulk.run import run_batch
    from ground.keys import default_public_key
    from ground.report.command import report_of_batch

    is_local = "://" not in output
    if (report or pdf) and not is_local:
        raise ConfigError(f"--report: expected results on this machine, got {output}; leave it out, or change --output")
    keys = tuple(key or [default_public_key(model)])
    source, began, chosen = ModelSource(model, keys, units), now(), engine_of(engine, scheduler, workers)
    with shown() as progress:
        outcome = run_batch(source, data, output, progress=progress, engine=chosen)
    if is_local:
        _keep_record(source, data, Path(output), began, outcome)
    _tell(outcome, output)
    if report or pdf:
        report_of_batch(Path(output), pdf=pdf)
    if outcome.failures:
        raise typer.Exit(ExitCode.PARTLY_FAILED)


def _keep_record(source: ModelSource, data: str, output: Path, began: str, outcome: BatchReport) -> None:
    from ground.batch_record import batch_command, now, write_record
    from ground.bulk.store import Store

    # A URL may hold a password.
    shown_data = str(Store.of(data)) if "://" in data else data
    command = batch_command(source.path, shown_data, output, source.keys, source.units)
    left_out = tuple(failure.text for failure in outcome.failures)
    write_record(output, command=command, began=began, ended=now(), recordings=outcome.recordings, left_out=left_out)


def _tell(report: BatchReport, output: str) -> None:
    say(f"{report.assessments} windows, {report.alarms} alarms raised: {output}")
    if report.resumed:
        say(f"{report.resumed} of {report.recordings} recordings had been done by a run that was ended")
    for failure in report.failures:
        say(f"left out: {failure.text}")
    if report.unread:
        more = ", ..." if len(report.unread) > _NAMED else ""
        say(f"no recordings: {len(report.unread)} files ({', '.join(report.unread[:_NAMED])}{more})")
