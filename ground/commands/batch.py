"""``ground batch``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.engines import LOCAL, EngineOption, SchedulerOption, WorkersOption, engine_of
from ground.commands.options import JsonOption
from ground.cores import CORES
from ground.errors import ConfigError
from ground.exit_code import ExitCode
from ground.terminal import say, say_json, shown

if TYPE_CHECKING:
    from ground.batch_record import BatchRecord
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
    as_json: JsonOption = False,
) -> None:
    """Assess recordings with the agent's own detector, on all cores or a cluster; a run that was ended goes on."""
    from ground.batch import ModelSource
    from ground.batch_record import SUFFIX, batch_command, now
    from ground.bulk.run import run_batch
    from ground.bulk.target import Target
    from ground.bulk.urls import shown_place
    from ground.keys import default_public_key
    from ground.report.command import report_of_batch

    target, place = Target.of(output), shown_place(output)
    if (report or pdf) and not target.is_local:
        raise ConfigError(f"--report: expected results on this machine, got {place}; leave it out, or change --output")
    keys = tuple(key or [default_public_key(model)])
    source, began, chosen = ModelSource(model, keys, units), now(), engine_of(engine, scheduler, workers)
    with shown() as progress:
        outcome = run_batch(source, data, output, progress=progress, engine=chosen)
    command = batch_command(model, shown_place(data), place, keys, units)
    target.beside(SUFFIX).write(_record(outcome, command, began).to_json())
    _tell(outcome, place, target.parts)
    pages = report_of_batch(target.path, pdf=pdf) if report or pdf else {}
    if as_json:
        say_json({"output": place, **asdict(outcome), **pages})
    if outcome.failures:
        raise typer.Exit(ExitCode.PARTLY_FAILED)


def _record(outcome: BatchReport, command: tuple[str, ...], began: str) -> BatchRecord:
    from ground.batch_record import BatchRecord, now

    return BatchRecord(
        command=command,
        began=began,
        ended=now(),
        recordings=outcome.recordings,
        left_out=tuple(failure.text for failure in outcome.failures),
        empty=outcome.empty,
        n_byte=outcome.table.n_byte,
        tail_sha256=outcome.table.tail_sha256,
    )


def _tell(report: BatchReport, output: str, parts: Path) -> None:
    say(f"{report.assessments} windows, {report.alarms} alarms raised: {output}")
    if report.resumed:
        say(f"{report.resumed} of {report.recordings} recordings had been done by an earlier run")
    if report.empty:
        say(f"shorter than a window, so without a row: {_some(report.empty, 'recordings')}")
    for failure in report.failures:
        say(f"left out: {failure.text}")
    if report.failures:
        say(f"the same command tries these again, and only these: the others are kept in {parts}")
    if report.unread:
        say(f"no recordings: {_some(report.unread, 'files')}")


def _some(names: Sequence[str], what: str) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return f"{len(names)} {what} ({', '.join(names[:_NAMED])}{more})"
