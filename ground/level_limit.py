"""How loud the healthy units of a kind get, from units that were left out of the training in turn.

Each unit is held against the others: how loud its loudest healthy windows are, and how far from their kind its
strangest. What the next unit will not exceed, up to a small share, is the limit of each (``ground.prediction``). At its
limit the level counts as much as the distance does at its own, so neither hides behind the other (docs/adr/0024).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from ground.healthy_rows import healthy_rows
from ground.log_scale import in_physical_units
from ground.models.family import FEWEST_FIT_ROWS, FEWEST_VALIDATION_ROWS
from ground.models.gaussian import GaussianCore, fit_gaussian
from ground.models.level_guard import LevelLimit
from ground.models.limiter import soft_unlimit
from ground.prediction import prediction_bound
from ground.reproducible import reproducible
from ground.scaling import fit_scaler
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.config import ModelConfig
    from shared_features.spec import FeatureSpec

NO_UNITS: Final[NDArray[np.str_]] = np.zeros(0, dtype=str)
"""Where a detector will be asked about none but the units that it knows."""
FEWEST_UNITS = 2
"""Of one, nothing tells how units differ. Of two the prior does most of it, and keeps its share (docs/adr/0024)."""
MOST_UNITS = 30
"""Of more, the distance knows by itself how units differ: the limit found nothing there, and loud units alarmed."""
SHARE = 0.01
"""Of units beyond the limit. A unit that is loud by nature alarms for a whole flight, not for a fifth of one."""
QUANTILE = 0.99
"""Of the windows of a unit: a persistent alarm takes more than the loudest one."""
MOST_FOLDS = 10
_LEVEL = "rms"


class _Extremes(NamedTuple):
    """Of one unit under the others: its largest logarithmic level and score."""

    log_level: float
    score: float


def learn_level_limit(
    spec: FeatureSpec,
    scaler: Scaler,
    z: NDArray[np.float32],
    units: NDArray[np.str_],
    settings: ModelConfig,
) -> LevelLimit:
    """Learn the limit; none of too few or many units, nor where no channel has a level (``rms``).

    Args:
        spec: The features.
        scaler: What normalised them, in the detector that the limit is for.
        z: (n, n_feature) normalised healthy windows.
        units: (n,) their units; ``NO_UNITS`` for no limit.
        settings: How the distance is trained.
    """
    columns = _level_columns(spec)
    if not columns or not FEWEST_UNITS <= len(np.unique(units)) <= MOST_UNITS:
        return LevelLimit()
    extremes = list(_left_out(spec, _physical(spec, scaler, z), units, settings, columns))
    if len(extremes) < FEWEST_UNITS:
        return LevelLimit()
    log_levels, scores = (np.array(each) for each in zip(*extremes, strict=True))
    return LevelLimit(
        weights=_weights(scaler, columns),
        log_level=float(np.log(prediction_bound(np.exp(log_levels), SHARE))),
        score=prediction_bound(scores, SHARE),
    )


def _physical(spec: FeatureSpec, scaler: Scaler, z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Back to physical units, to the rounding of float32: without a unit, its kind has another scaler."""
    return in_physical_units(z * np.array(scaler.std) + np.array(scaler.mean), spec)


def _level_columns(spec: FeatureSpec) -> list[int]:
    levels = {f"{channel.name}.{_LEVEL}" for channel in spec.channels}
    return [column for column, name in enumerate(feature_names(spec)) if name in levels]


def _weights(scaler: Scaler, columns: list[int]) -> NDArray[np.float64]:
    """(n_feature,) residuals in z times these: the mean over channels of the logarithm of the level over the usual."""
    weights = np.zeros(len(scaler.std))
    weights[columns] = np.array(scaler.std)[columns] / len(columns)
    return weights


def _left_out(
    spec: FeatureSpec,
    values: NDArray[np.float32],
    units: NDArray[np.str_],
    settings: ModelConfig,
    columns: list[int],
) -> Iterator[_Extremes]:
    """Each unit under a detector of others; all of them, also those at conditions that the others do not know."""
    number = np.unique(units, return_inverse=True)[1]
    for fold in range(min(MOST_FOLDS, number.max() + 1)):
        out = number % MOST_FOLDS == fold
        if (~out).sum() < FEWEST_FIT_ROWS or out.sum() < FEWEST_VALIDATION_ROWS:
            continue
        log_levels, scores = _asked(spec, values[~out], values[out], settings, columns)
        for unit in np.unique(number[out]):
            own = number[out] == unit
            yield _Extremes(float(np.quantile(log_levels[own], QUANTILE)), float(np.quantile(scores[own], QUANTILE)))


def _asked(
    spec: FeatureSpec,
    known: NDArray[np.float32],
    asked: NDArray[np.float32],
    settings: ModelConfig,
    columns: list[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(m,) logarithmic levels and (m,) scores of ``asked`` under a distance that was learned from ``known``."""
    with reproducible(0), torch.no_grad():
        scaler = fit_scaler(spec, known)
        z = [scaler.transform(values).astype(np.float32) for values in (known, asked)]
        rows = healthy_rows(spec, scaler, *z).rows
        gaussian = fit_gaussian(rows, settings)
        core = GaussianCore(rows.n_feature)
        core.take(gaussian.mean, gaussian.whitening())
        residuals = torch.from_numpy(rows.validation)
        scores = torch.sqrt(torch.mean(torch.square(core.whitened(residuals)), dim=1))
        log_levels = soft_unlimit(residuals.double()).numpy() @ _weights(scaler, columns)
    return log_levels, scores.numpy()
