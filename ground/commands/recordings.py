"""``ground simulate`` and ``ground import``: where recordings come from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ground.commands.options import JsonOption, WorkspaceOption
from ground.terminal import say, say_json, shown
from ground.workspace import Workspace


def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder for the recordings.")],
    *,
    seed: Annotated[int, typer.Option(help="Seeds everything random.")] = 0,
    healthy: Annotated[int, typer.Option(help="Healthy engines.")] = 180,
    faulty: Annotated[int, typer.Option(help="Engines with a fault.")] = 64,
    sensor_faulty: Annotated[int, typer.Option(help="Engines with a sensor fault.")] = 8,
    flight_s: Annotated[float, typer.Option(help="Length of each flight, s.")] = 60.0,
    severity_floor: Annotated[float, typer.Option(help="Severity of the earliest faults; higher is easier.")] = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Simulate a fleet from a physical model and write its recordings."""
    from ground.simulate import FleetConfig, simulate_fleet

    fleet = FleetConfig(
        seed=seed,
        n_healthy=healthy,
        n_faulty=faulty,
        n_sensor_faulty=sensor_faulty,
        flight_s=flight_s,
        severity_floor=severity_floor,
    )
    with shown() as progress:
        simulate_fleet(fleet, out, progress=lambda done, total: progress("simulate", done, total))
    flights = fleet.n_engines * fleet.flights_per_engine
    if as_json:
        say_json({"folder": out, "recordings": flights})
    else:
        say(f"{flights} flights in {out}")


def import_(
    data: Annotated[Path, typer.Option("--data", help="Folder with recordings.csv.")],
    dataset: Annotated[str | None, typer.Option("--set", help="Which dataset of the folder.")] = None,
    workspace: WorkspaceOption = Path(),
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML config whose preprocess.leave_out is not read either.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Read a folder of recordings into data/raw of a workspace."""
    from ground.config import load_config
    from ground.importer import import_recordings

    leave_out = load_config(config).preprocess.leave_out if config else ()
    raw = Workspace(workspace).raw
    with shown() as progress:
        report = import_recordings(data, raw, dataset=dataset, progress=progress, leave_out=leave_out)
    if as_json:
        say_json({"folder": Workspace(workspace).raw, "recordings": report.recordings, **asdict(report)})
    else:
        say(f"{report.recordings} recordings in {Workspace(workspace).raw}")
    for note in report.notes:
        say(note)
