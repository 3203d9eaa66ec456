"""The pipeline: every stage in order, each skipped where nothing it depends on has changed.

A stage's own module is imported when it runs: torch alone takes seconds that `ground preprocess` need not wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.layout import COMMISSIONING_POLICY, FEATURE_SPEC, METRICS, MODEL, THRESHOLDS
from ground.config import Config
from ground.engine import Engine, LocalEngine
from ground.progress import Progress
from ground.stage import Stage, Work, run_stage
from ground.workspace import LATENCY, SCORES, THRESHOLDS_YAML, Workspace

if TYPE_CHECKING:
    from ground.export import ExportReport
    from ground.signer import SigningKey


_DATA = ("signal", "preprocess", "contract", "seed")
_FEATURES = (*_DATA, "features", "split")
_TRAINING = (*_FEATURES, "detector", "model")


def _preprocess(config: Config, workspace: Workspace, *, progress: Progress) -> tuple[str, ...]:
    from ground.preprocess import preprocess

    return preprocess(config, workspace, progress=progress, base=config.folder).notes


def featurizing(engine: Engine) -> Work:
    """The work of the featurize stage, done by an engine."""

    def work(config: Config, workspace: Workspace, *, progress: Progress) -> tuple[str, ...]:
        from ground.featurize import featurize

        return featurize(config, workspace, progress=progress, engine=engine).notes

    return work


def _train(config: Config, workspace: Workspace, *, progress: Progress) -> tuple[str, ...]:
    return _trained(config, workspace, resume=False, progress=progress)


def resume_training(config: Config, workspace: Workspace, *, progress: Progress) -> tuple[str, ...]:
    """The work of the train stage, going on from the checkpoints of an interrupted run."""
    return _trained(config, workspace, resume=True, progress=progress)


def _trained(config: Config, workspace: Workspace, *, resume: bool, progress: Progress) -> tuple[str, ...]:
    from ground.train import train

    report = train(config, workspace, resume=resume, progress=progress)
    warnings = [f"{record.family}: {warning}" for record in report.records for warning in record.warnings]
    return (*warnings, *(f"not tracked: {error}" for error in report.tracking_errors))


def _evaluate(config: Config, workspace: Workspace, *, progress: Progress) -> tuple[str, ...]:
    from ground.evaluate import evaluate

    report = evaluate(config, workspace, progress=progress).evidence.commissioning
    return (f"no commissioning: {report.refusal}",) if report.refusal and config.decision.commissioning_flights else ()


def _candidates(workspace: Workspace, config: Config) -> tuple[Path, ...]:
    families = sorted({config.model.family, *config.model.baselines})
    return tuple(workspace.candidate(config.detector) / family for family in families)


def _verdicts(workspace: Workspace, config: Config) -> tuple[Path, ...]:
    candidate = workspace.candidate(config.detector)
    return (
        workspace.evaluation / METRICS,
        workspace.evaluation / LATENCY,
        workspace.evaluation / SCORES,
        *(candidate / name for name in (MODEL, THRESHOLDS, THRESHOLDS_YAML, COMMISSIONING_POLICY)),
    )


PREPROCESS = Stage(
    name="preprocess",
    sections=(*_DATA, "features"),
    inputs=lambda workspace, config: (workspace.raw, *([config.folder / config.contract] if config.contract else [])),
    outputs=lambda workspace, _: (workspace.interim,),
    work=_preprocess,
)
FEATURIZE = Stage(
    name="featurize",
    sections=_FEATURES,
    inputs=lambda workspace, _: (workspace.interim,),
    outputs=lambda workspace, _: (workspace.features, workspace.processed),
    work=featurizing(LocalEngine()),
)
TRAIN = Stage(
    name="train",
    sections=_TRAINING,
    inputs=lambda workspace, _: (workspace.processed, workspace.features / FEATURE_SPEC),
    outputs=_candidates,
    work=_train,
)
EVALUATE = Stage(
    name="evaluate",
    sections=(*_TRAINING, "ecr", "decision", "gates", "bundle"),
    inputs=lambda workspace, config: (
        workspace.interim,
        workspace.features,
        workspace.processed,
        *_candidates(workspace, config),
    ),
    outputs=_verdicts,
    work=_evaluate,
)
STAGES = (PREPROCESS, FEATURIZE, TRAIN, EVALUATE)


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """What the pipeline made, and what a person should know of its stages."""

    export: ExportReport
    notes: tuple[str, ...]


def run_pipeline(
    config: Config, workspace: Workspace, *, version: str, key: SigningKey | None, progress: Progress, force: bool
) -> PipelineReport:
    """From raw recordings to a signed bundle, or to one that `ground sign` finishes.

    Args:
        config: The config of the detector.
        workspace: Holds ``data/raw``.
        version: Version of the detector to make.
        key: What signs; without one, the release is left unsigned.
        progress: Told by each stage.
        force: Run every stage, changed or not.

    Raises:
        GateError: A gate failed; no bundle is made.
        GroundError: What a stage refuses.
    """
    from ground.export import check_version, export

    check_version(version)
    notes: list[str] = []
    for stage in STAGES:
        notes.extend(run_stage(stage, workspace, config, progress=progress, force=force).notes)
    return PipelineReport(export(config, workspace, version=version, key=key), tuple(notes))
