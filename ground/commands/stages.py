"""``ground preprocess | featurize | train | evaluate``: one stage each, over a config and a workspace."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ground.commands.engines import LOCAL, EngineOption, SchedulerOption, WorkersOption, engine_of
from ground.commands.options import ConfigOption, ForceOption, JsonOption, WorkspaceOption
from ground.cores import CORES
from ground.terminal import say, say_json, shown
from ground.workspace import Workspace

if TYPE_CHECKING:
    from ground.stage import Work


def preprocess(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check recordings against the contract, synchronise them in time, mark what is missing or stands out."""
    ended = _run("PREPROCESS", config, workspace, force=force)
    if as_json:
        say_json(ended)


def featurize(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    engine: EngineOption = LOCAL,
    scheduler: SchedulerOption = "",
    workers: WorkersOption = CORES,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the features of every window with the code that flies, deal roles, normalise."""
    from ground.pipeline import featurizing

    work = featurizing(engine_of(engine, scheduler, workers))
    ended = _run("FEATURIZE", config, workspace, force=force, work=work)
    if as_json:
        say_json(ended)


def train(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints of an interrupted run.")] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the detector's model and its baselines on healthy windows."""
    from ground.pipeline import resume_training

    ended = _run("TRAIN", config, workspace, force=force, work=resume_training if resume else None)
    if as_json:
        say_json(ended)


def evaluate(
    config: ConfigOption,
    workspace: WorkspaceOption = Path(),
    *,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Calibrate thresholds, measure on test flights, and hold the result against the gates."""
    from ground.gates import refuse_failed
    from ground.report.evidence_file import read_run
    from ground.report.table import gates_table
    from ground.run_evidence import gates_document

    _run("EVALUATE", config, workspace, force=force)
    run = read_run(Workspace(workspace))
    if as_json:
        say_json(gates_document(run))
    else:
        Console().print(gates_table(run))
    refuse_failed(run.verdict)


def _run(name: str, config: Path, workspace: Path, *, force: bool, work: Work | None = None) -> dict[str, Any]:
    """Run a stage and say how it ended; the same for JSON."""
    from ground import pipeline as stages
    from ground.config import load_config
    from ground.stage import run_stage

    stage = getattr(stages, name)
    chosen = replace(stage, work=work) if work else stage
    loaded = load_config(config)
    with shown() as progress:
        outcome = run_stage(chosen, Workspace(workspace), loaded, progress=progress, force=force)
    for note in outcome.notes:
        say(note)
    say(f"{stage.name}: {'done' if outcome.ran else 'unchanged, skipped'}")
    return {"stage": stage.name, **asdict(outcome)}
