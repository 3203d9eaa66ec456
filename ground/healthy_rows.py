"""From normalised healthy windows to what a core is fitted to: residuals about the baseline, soft-limited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ground.baseline import Baseline, fit_baseline, healthy_residuals
from ground.models.family import FitData
from ground.models.limiter import soft_limit
from ground.scaling import condition_columns
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class HealthyRows:
    """What a core is fitted to, and the baseline that was taken away."""

    baseline: Baseline
    rows: FitData


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


def _limited(residuals: NDArray[np.float64]) -> NDArray[np.float32]:
    limited: NDArray[np.float32] = soft_limit(torch.from_numpy(residuals)).float().numpy()
    return limited
