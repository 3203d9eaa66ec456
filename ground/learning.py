"""From healthy windows to a detector: scaler, baseline by operating condition, core. The one recipe of all callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ground.baseline import Baseline, fit_baseline, healthy_residuals
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import fit_core
from ground.models.family import FitData, Fitted
from ground.models.limiter import soft_limit
from ground.scaling import condition_columns, fit_scaler
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class HealthyRows:
    """What a core is fitted to, and the baseline that was taken away."""

    baseline: Baseline
    rows: FitData


@dataclass(frozen=True, slots=True)
class Learned:
    """A detector without thresholds.

    Attributes:
        scaler: What is usual for each feature.
        module: The graph.
        fitted: How its core came about.
    """

    scaler: Scaler
    module: DetectorModule
    fitted: Fitted


def healthy_rows(
    spec: FeatureSpec, scaler: Scaler, fit: NDArray[np.float32], validation: NDArray[np.float32]
) -> HealthyRows:
    """Soft-limited residuals about the baseline.

    Args:
        spec: The features.
        scaler: What normalised them.
        fit: (n, n_feature) normalised healthy windows; they make the baseline.
        validation: (m, n_feature) normalised healthy windows of other recordings or other time.

    Raises:
        TrainingError: Too few rows, or a value that is not finite; see ``FitData``.
    """
    FitData(names=feature_names(spec), fit=fit, validation=validation)
    conditions = condition_columns(spec)
    mean, std = np.array(scaler.mean), np.array(scaler.std)
    scaled = fit * std + mean
    baseline = fit_baseline(scaled, conditions)
    rows = FitData(
        names=feature_names(spec),
        fit=_limited(healthy_residuals(scaled, conditions) / std),
        validation=_limited(baseline.residual(validation * std + mean) / std),
    )
    return HealthyRows(baseline, rows)


def learn(
    spec: FeatureSpec,
    fit: NDArray[np.float32],
    validation: NDArray[np.float32],
    *,
    family: str,
    settings: ModelConfig,
    run: LoopRun,
) -> Learned:
    """Learn what is healthy.

    Args:
        spec: The features.
        fit: (n, n_feature) features of healthy windows in physical units.
        validation: (m, n_feature) the same, of other recordings or other time.
        family: Name of the model family.
        settings: How it is trained.
        run: Seed, checkpoints and progress.

    Raises:
        DataError: No window, or a value that is not finite.
        TrainingError: Too few windows, or the fit fails.
    """
    scaler = fit_scaler(spec, fit)
    z = [scaler.transform(values).astype(np.float32) for values in (fit, validation)]
    healthy = healthy_rows(spec, scaler, *z)
    fitted = fit_core(family, healthy.rows, settings, run)
    return Learned(scaler, DetectorModule(scaler, fitted.core, Conditioner.of(healthy.baseline, scaler)), fitted)


def _limited(residuals: NDArray[np.float64]) -> NDArray[np.float32]:
    limited: NDArray[np.float32] = soft_limit(torch.from_numpy(residuals)).float().numpy()
    return limited
