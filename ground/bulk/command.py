"""The command ``ground batch``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ground.errors import ConfigError
from ground.keys import default_public_key

if TYPE_CHECKING:
    from ground.bulk.run import BatchReport
    from ground.engine import Engine

EXIT_PARTLY_FAILED = 4
LOCAL = "local"
DASK = "dask"
CORES = os.cpu_count() or 1
_NAMED = 3

console = Console(stderr=True)

EngineOption = Annotated[str, typer.Option("--engine", help="local: processes of this machine; dask: a cluster.")]
SchedulerOption = Annotated[
    str, typer.Option("--scheduler", help="Address of a running dask cluster; without it one on this machine.")
]
WorkersOption = Annotated[int, typer.Option("--workers", help="Processes, unless a scheduler is named.", min=1)]


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
) -> None:
    """Assess recordings with the agent's own detector, on all cores or a cluster; a run that was ended goes on."""
    from ground.batch import ModelSource
    from ground.bulk.run import run_batch
    from ground.progress_bar import shown_progress

    keys = tuple(key or [default_public_key(model)])
    chosen = engine_of(engine, scheduler, workers)
    with shown_progress(console) as progress:
        report = run_batch(ModelSource(model, keys, units), data, output, progress=progress, engine=chosen)
    _tell(report, output)
    if report.failures:
        raise typer.Exit(EXIT_PARTLY_FAILED)


def engine_of(name: str, scheduler: str, workers: int) -> Engine:
    """The engine that options ask for.

    Raises:
        ConfigError: There is no such engine, it is not installed, or a scheduler was named for another.
    """
    if name not in {LOCAL, DASK}:
        raise ConfigError(f"--engine: expected {LOCAL} or {DASK}, got {name!r}; choose one of them")
    if name == LOCAL:
        from ground.engine import LocalEngine

        if scheduler:
            raise ConfigError(
                f"--scheduler: expected it with --engine {DASK}, got it with {LOCAL}; add --engine {DASK}"
            )
        return LocalEngine(workers)
    try:
        from ground.dask_engine import DaskEngine
    except ImportError as error:
        raise ConfigError(
            f"--engine: expected dask to be installed, got {error}; pip install 'enginear-ground[dask]'"
        ) from error
    return DaskEngine(workers=workers, scheduler=scheduler)


def _tell(report: BatchReport, output: str) -> None:
    _say(f"{report.assessments} windows, {report.alarms} alarms raised: {output}")
    if report.resumed:
        _say(f"{report.resumed} of {report.recordings} recordings had been done by a run that was ended")
    for failure in report.failures:
        _say(f"left out: {failure.text}")
    if report.unread:
        more = ", ..." if len(report.unread) > _NAMED else ""
        _say(f"no recordings: {len(report.unread)} files ({', '.join(report.unread[:_NAMED])}{more})")


def _say(text: str) -> None:
    """Print a line as it is: paths and lists in brackets are no markup, and are not wrapped."""
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)
