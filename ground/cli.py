"""The command ``ground``: one subcommand a stage, each over a config and a workspace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edge_agent.errors import AgentError
from ground.adapt import adapt
from ground.bulk.command import CORES, LOCAL, EngineOption, SchedulerOption, WorkersOption, batch, engine_of
from ground.bulk.command_replay import replay
from ground.config import Config, load_config
from ground.errors import GateError, GroundError
from ground.features.command import features_app
from ground.fleet.collect.command import collect_app
from ground.fleet.command_drift import drift
from ground.fleet.command_shadow import shadow_app
from ground.fleet.repo.command import repo_app
from ground.flights_needed import flights_needed
from ground.initialise.command import init
from ground.keys import PRIVATE_KEY, load_private_key
from ground.keys_command import PasswordFileOption, keys_app, sign
from ground.password import NO_FILE, PasswordSource
from ground.progress import Progress
from ground.tune import tune
from ground.workspace import Workspace
from shared_features.errors import FeatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from ground.export import ExportReport
    from ground.stage import Work

EXIT_BAD_INPUT = 2
EXIT_GATE_FAILED = 3

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, gate, sign and replay engine vibration detectors. Exit codes: 0 done, 2 bad input, 3 a gate failed, "
    "4 some recordings could not be read.",
)
app.add_typer(keys_app, name="keys")
app.add_typer(features_app, name="features")
app.add_typer(collect_app, name="collect")
app.add_typer(shadow_app, name="shadow")
app.add_typer(repo_app, name="repo")
app.command()(init)
app.command()(flights_needed)
app.command()(adapt)
app.command()(tune)
app.command()(drift)
app.command()(sign)
app.command()(batch)
app.command()(replay)
console = Console(stderr=True)

ConfigOption = Annotated[Path, typer.Option("--config", help="YAML config of the detector.")]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="Folder that holds data/, models/ and evaluation/.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Run even where nothing has changed.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", help="Signing key; default: keys/private.pem in the workspace. Where there is none, nothing is signed."
    ),
]
VersionOption = Annotated[str, typer.Option("--version", help="Version of the detector: MAJOR.MINOR.PATCH.")]


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder for the recordings.")],
    *,
    seed: Annotated[int, typer.Option(help="Seeds everything random.")] = 0,
    healthy: Annotated[int, typer.Option(help="Healthy engines.")] = 180,
    faulty: Annotated[int, typer.Option(help="Engines with a fault.")] = 64,
    sensor_faulty: Annotated[int, typer.Option(help="Engines with a sensor fault.")] = 8,
    flight_s: Annotated[float, typer.Option(help="Length of each flight, s.")] = 60.0,
    severity_floor: Annotated[float, typer.Option(help="Severity of the earliest faults; higher is easier.")] = 0.1,
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
    with _progress() as progress:
        simulate_fleet(fleet, out, progress=lambda done, total: progress("simulate", done, total))
    _say(f"{fleet.n_engines * fleet.flights_per_engine} flights in {out}")


@app.command("import")
def import_(
    data: Annotated[Path, typer.Option("--data", help="Folder with recordings.csv.")],
    dataset: Annotated[str | None, typer.Option("--set", help="Which dataset of the folder.")] = None,
    workspace: WorkspaceOption = Path(),
) -> None:
    """Read a folder of recordings into data/raw of a workspace."""
    from ground.importer import import_recordings

    with _progress() as progress:
        report = import_recordings(data, Workspace(workspace).raw, dataset=dataset, progress=progress)
    _say(f"{report.recordings} recordings in {Workspace(workspace).raw}")


@app.command()
def preprocess(config: ConfigOption, workspace: WorkspaceOption = Path(), *, force: ForceOption = False) -> None:
    """Check recordings against the contract, synchronise them in time, mark what is missing or stands out."""
    _run("PREPROCESS", config, workspace, force=force)


@app.command()
def featurize(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    engine: EngineOption = LOCAL,
    scheduler: SchedulerOption = "",
    workers: WorkersOption = CORES,
    force: ForceOption = False,
) -> None:
    """Compute the features of every window with the code that flies, deal roles, normalise."""
    from ground.pipeline import featurizing

    _run("FEATURIZE", config, workspace, force=force, work=featurizing(engine_of(engine, scheduler, workers)))


@app.command()
def train(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints of an interrupted run.")] = False,
    force: ForceOption = False,
) -> None:
    """Train the detector's model and its baselines on healthy windows."""
    from ground.pipeline import resume_training

    _run("TRAIN", config, workspace, force=force, work=resume_training if resume else None)


@app.command()
def evaluate(config: ConfigOption, workspace: WorkspaceOption = Path(), *, force: ForceOption = False) -> None:
    """Calibrate thresholds, measure on test flights, and hold the result against the gates."""
    from ground.gates import refuse_failed
    from ground.report.evidence_file import read_run
    from ground.report.table import gates_table

    _run("EVALUATE", config, workspace, force=force)
    run = read_run(Workspace(workspace))
    Console().print(gates_table(run))
    refuse_failed(run.verdict)


@app.command()
def export(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
) -> None:
    """Make the signed bundle and the artefacts of a version; without a key, for `ground sign` to finish."""
    from ground.export import export as export_stage

    signing_key = _key(key, workspace, password_file)
    _say_made(export_stage(load_config(config), Workspace(workspace), version=version, key=signing_key))


@app.command()
def pipeline(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
    *,
    force: ForceOption = False,
) -> None:
    """Run every stage, from raw recordings to the signed bundle."""
    from ground.export import check_version
    from ground.pipeline import run_pipeline

    check_version(version)
    signing_key = _key(key, workspace, password_file)
    with _progress() as progress:
        report = run_pipeline(
            load_config(config),
            Workspace(workspace),
            version=version,
            key=signing_key,
            progress=progress,
            force=force,
        )
    for note in report.notes:
        _say(note)
    for reason in report.export.reasons:
        _say(f"not a release: {reason}")
    _say_made(report.export)


@app.command()
def demo(
    data: Annotated[str, typer.Option("--data", help="Recordings folder; empty simulates a fleet.")] = "",
    dataset: Annotated[str, typer.Option("--set", help="Which dataset of the folder.")] = "",
    broker: Annotated[str, typer.Option(help="iotcore or mosquitto.")] = "iotcore",
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that is made.")] = Path("demo"),
) -> None:
    """The main job once, end to end: recordings, detector, signed bundle, agent on a real broker, alerts, report."""
    from ground.demo.run import run_demo

    with _progress() as progress:
        outcome = run_demo(data=data, dataset=dataset, broker=broker, out=out, progress=progress)
    for table in outcome.tables:
        Console().print(table)
    Console().print(f"report: {outcome.page}")


def main() -> None:
    """Run the command; bad input ends with its text and a code, never with a traceback."""
    try:
        app()
    except GateError as error:
        _fail(error, EXIT_GATE_FAILED)
    except (GroundError, AgentError, FeatureError) as error:
        _fail(error, EXIT_BAD_INPUT)
    except OSError as error:
        _fail(
            f"{error.filename or 'disk'}: expected to read and write it, got {error.strerror}; check it", EXIT_BAD_INPUT
        )


def _say(text: str, *, style: str = "") -> None:
    """Print a line as it is: paths and lists in brackets are no markup, and are not wrapped."""
    console.print(text, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _fail(error: Exception | str, code: int) -> None:
    _say(f"error: {error}", style="red")
    sys.exit(code)


def _run(name: str, config: Path, workspace: Path, *, force: bool, work: Work | None = None) -> Config:
    from ground import pipeline as stages
    from ground.stage import run_stage

    stage = getattr(stages, name)
    chosen = replace(stage, work=work) if work else stage
    loaded = load_config(config)
    with _progress() as progress:
        outcome = run_stage(chosen, Workspace(workspace), loaded, progress=progress, force=force)
    for note in outcome.notes:
        _say(note)
    _say(f"{stage.name}: {'done' if outcome.ran else 'unchanged, skipped'}")
    return loaded


@contextmanager
def _progress() -> Iterator[Progress]:
    from ground.progress_bar import shown_progress

    with shown_progress(console) as progress:
        yield progress


def _say_made(report: ExportReport) -> None:
    unsigned = f", not signed, for there is no key: ground sign {report.folder}"
    _say(f"{report.release_class}{f' bundle: {report.bundle}' if report.is_signed else unsigned}")


def _key(key: Path | None, workspace: Path, password_file: Path) -> EllipticCurvePrivateKey | None:
    """The signing key; none where none is named and the workspace has none either."""
    path = key or workspace / "keys" / PRIVATE_KEY
    if key is None and not path.exists():
        return None
    return load_private_key(path, PasswordSource(password_file).ask)
