"""Options of the commands that share work out, and the engine that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ground.errors import ConfigError
from ground.extras import installing

if TYPE_CHECKING:
    from ground.engine import Engine

LOCAL = "local"
DASK = "dask"

EngineOption = Annotated[str, typer.Option("--engine", help="local: processes of this machine; dask: a cluster.")]
SchedulerOption = Annotated[
    str, typer.Option("--scheduler", help="Address of a running dask cluster; without it one on this machine.")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", help="Processes, unless a scheduler is named.", min=1, show_default="all cores")
]


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
        raise ConfigError(f"--engine: expected dask to be installed, got {error}; {installing('dask')}") from error
    return DaskEngine(workers=workers, scheduler=scheduler)
