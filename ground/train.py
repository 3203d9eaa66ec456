"""The stage ``train``: from the processed features to one candidate per model family."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ground.checkpoints import FileStore
from ground.models.candidate import (
    CHECKPOINT,
    RECORD,
    WEIGHTS,
    ScoreSummary,
    TrainingRecord,
    candidate_folder,
    pack_parts,
    settings_digest,
    write_candidate,
)
from ground.models.conditioner import Conditioner
from ground.models.families import fit_core
from ground.tracking import TrackedRun, track
from ground.training_data import TrainingData, read_training_data
from ground.training_loop import LoopRun

if TYPE_CHECKING:
    from pathlib import Path

    from ground.config import Config
    from ground.models.family import Core, Fitted
    from ground.progress import Progress
    from ground.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What the stage made.

    Attributes:
        records: One a family, the family that ships first.
        tracking_errors: Why runs are missing in the experiment tracker; the models themselves are safe.
    """

    records: tuple[TrainingRecord, ...]
    tracking_errors: tuple[str, ...]


def train(config: Config, workspace: Workspace, *, resume: bool, progress: Progress) -> TrainingReport:
    """Train the family that ships and the baselines, and write each to ``models/<detector>/candidate/<family>/``.

    Args:
        config: The detector's config.
        workspace: Where the processed features lie and the candidates go.
        resume: Whether networks go on from their checkpoints, if there are any; the result is the same, bit for bit.
        progress: Told of every epoch.

    Raises:
        DataError: The processed features are missing, unreadable, or of another FeatureSpec.
        TrainingError: Too few healthy windows, a loss that is not finite, or a checkpoint of another training.
    """
    data = read_training_data(config, workspace)
    records = []
    errors = []
    for family in families_of(config):
        folder = candidate_folder(config, workspace, family)
        run = LoopRun(
            name=family, seed=config.seed, store=FileStore(folder / CHECKPOINT), resume=resume, progress=progress
        )
        fitted = fit_core(family, data.rows, config.model, run)
        weights = pack_parts(Conditioner.of(data.baseline, data.scaler), fitted.core)
        record = _record(config, family, data, fitted, weights)
        write_candidate(folder, weights, record)
        records.append(record)
        errors += _tracking_errors(config, workspace, folder, record)
    return TrainingReport(tuple(records), tuple(errors))


def families_of(config: Config) -> tuple[str, ...]:
    """The families to train: the one that ships, then the baselines, each once."""
    return tuple(dict.fromkeys((config.model.family, *config.model.baselines)))


def _record(config: Config, family: str, data: TrainingData, fitted: Fitted, weights: bytes) -> TrainingRecord:
    return TrainingRecord(
        family=family,
        detector=config.detector,
        settings_digest=settings_digest(config),
        spec_digest=data.spec_digest,
        scaler_digest=data.scaler_digest,
        data_digest=data.digest,
        weights_digest=hashlib.sha256(weights).hexdigest(),
        seed=config.seed,
        n_feature=data.rows.n_feature,
        fit_rows=len(data.rows.fit),
        validation_rows=len(data.rows.validation),
        best_epoch=fitted.best_epoch,
        stop_reason=fitted.stop_reason,
        losses=fitted.losses,
        validation_score=_summary(fitted.core, data),
        warnings=fitted.warnings,
        torch_version=torch.__version__,
    )


def _summary(core: Core, data: TrainingData) -> ScoreSummary:
    with torch.no_grad():
        scores = core(torch.tensor(data.rows.validation))[1].numpy().astype(np.float64)
    median, p95, p99 = (float(value) for value in np.quantile(scores, (0.5, 0.95, 0.99)))
    return ScoreSummary(mean=float(scores.mean()), median=median, p95=p95, p99=p99, maximum=float(scores.max()))


def _tracking_errors(config: Config, workspace: Workspace, folder: Path, record: TrainingRecord) -> list[str]:
    try:
        track(workspace.tracking, config.detector, _tracked(config, folder, record))
    except Exception as error:  # noqa: BLE001 - a tracker's failure, of whatever kind, must not cost a trained model
        reason = str(error).partition("\n")[0]
        return [f"{workspace.tracking}: expected run {record.family} to be recorded, got {reason}; the model is safe"]
    return []


def _tracked(config: Config, folder: Path, record: TrainingRecord) -> TrackedRun:
    settings = config.model.model_dump(mode="json")
    score = record.validation_score
    return TrackedRun(
        name=record.family,
        params={"family": record.family, "seed": str(record.seed)}
        | {f"model.{name}": str(value) for name, value in settings.items()},
        metrics={
            "fit_rows": float(record.fit_rows),
            "validation_rows": float(record.validation_rows),
            "best_epoch": float(record.best_epoch),
            "validation_score_mean": score.mean,
            "validation_score_p95": score.p95,
            "validation_score_p99": score.p99,
        },
        curves={
            "train_loss": [losses.train for losses in record.losses],
            "validation_loss": [losses.validation for losses in record.losses],
        },
        tags={
            "config_digest": config.digest,
            "settings_digest": record.settings_digest,
            "spec_digest": record.spec_digest,
            "data_digest": record.data_digest,
            "weights_digest": record.weights_digest,
            "ecr": config.ecr,
        },
        files=(folder / WEIGHTS, folder / RECORD),
    )
