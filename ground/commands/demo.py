"""``ground demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.terminal import say_json, shown


def demo(
    data: Annotated[str, typer.Option("--data", help="Recordings folder; empty simulates a fleet.")] = "",
    dataset: Annotated[str, typer.Option("--set", help="Which dataset of the folder.")] = "",
    broker: Annotated[str, typer.Option(help="iotcore or mosquitto.")] = "iotcore",
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that is made.")] = Path("demo"),
    *,
    as_json: JsonOption = False,
) -> None:
    """The main job once, end to end: recordings, detector, signed bundle, agent on a real broker, alerts, report."""
    from ground.demo.run import run_demo

    with shown() as progress:
        outcome = run_demo(data=data, dataset=dataset, broker=broker, out=out, progress=progress)
    if as_json:
        say_json({"page": outcome.page, **outcome.document})
        return
    for table in outcome.tables:
        Console().print(table)
    Console().print(f"report: {outcome.page}")
