"""Fitting the scaler: what is usual for each feature on healthy engines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_agent.scaler import Scaler
from ground.baseline import healthy_residuals
from ground.errors import DataError
from ground.log_scale import on_scales
from shared_features.feature import LOG
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

CONSTANT_RATIO = 1e-6
"""A spread below this share of the mean (or, of a logarithm, below this) is float32 rounding, not behaviour."""
CONSTANT_STD = 1.0
"""Spread granted to a feature that is constant on healthy data: nothing is known of it, so one unit counts as one."""
_FEWEST_FOR_TAIL = 8
"""The largest of n normal values is about sqrt(2 ln n) standard deviations out; of fewer than this, less."""


def fit_scaler(spec: FeatureSpec, values: NDArray[np.float32]) -> Scaler:
    """Mean of every feature, of its logarithm where its scale is ``log``, and its spread about the usual.

    The spread is the standard deviation of what ``ground.baseline`` does not explain, at trained operating conditions
    and at ones left out; of an operating condition, its plain standard deviation. A feature whose largest deviation is
    larger than that of as many normal values counts by its tail instead: spikes and kurtosis jump on healthy machines.

    Args:
        spec: Names and scales of the features.
        values: (n, n_feature) physical features of healthy windows, none of them an outlier.

    Raises:
        DataError: No window, or a value that is not finite.
    """
    if not len(values):
        raise DataError(
            "fit: expected healthy windows that can be assessed, got none; look into data/interim/report.md for what "
            "preprocessing marked"
        )
    columns = columns_of(spec)
    is_log = np.array([column.scale == LOG for column in columns])
    scaled = on_scales(values, spec)
    if not np.isfinite(scaled).all():
        row, column = np.argwhere(~np.isfinite(scaled))[0]
        raise DataError(
            f"fit: expected finite features, got {values[row, column]} in {columns[column].name}; "
            "check the unit and range of the samples"
        )
    mean = scaled.mean(axis=0)
    std = _spread(scaled, condition_columns(spec))
    floor = CONSTANT_RATIO * np.where(is_log, 1.0, np.abs(mean))
    return Scaler(
        names=tuple(column.name for column in columns),
        scales=tuple(column.scale for column in columns),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > floor, std, CONSTANT_STD).tolist()),
    )


def condition_columns(spec: FeatureSpec) -> tuple[int, ...]:
    """Columns of the operating conditions in the feature vector: the last ones."""
    n_feature = len(columns_of(spec))
    return tuple(range(n_feature - len(spec.conditions), n_feature))


def _spread(scaled: NDArray[np.float64], conditions: tuple[int, ...]) -> NDArray[np.float64]:
    residuals = healthy_residuals(scaled, conditions)
    tail = np.abs(residuals).max(axis=0) / np.sqrt(2.0 * np.log(max(len(residuals), _FEWEST_FOR_TAIL)))
    spread: NDArray[np.float64] = np.maximum(np.sqrt(np.mean(residuals * residuals, axis=0)), tail)
    spread[list(conditions)] = scaled[:, list(conditions)].std(axis=0)
    return spread
