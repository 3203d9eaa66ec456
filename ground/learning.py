"""From healthy windows to a detector: scaler, baseline by operating condition, core. The one recipe of all callers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ground.healthy_rows import healthy_rows
from ground.level_limit import NO_UNITS, learn_level_limit
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import GUARDED, fit_core
from ground.models.family import Fitted
from ground.scaling import fit_scaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun
    from shared_features.spec import FeatureSpec


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


def learn(
    spec: FeatureSpec,
    fit: NDArray[np.float32],
    validation: NDArray[np.float32],
    *,
    family: str,
    settings: ModelConfig,
    run: LoopRun,
    units: NDArray[np.str_] = NO_UNITS,
) -> Learned:
    """Learn what is healthy.

    Args:
        spec: The features.
        fit: (n, n_feature) features of healthy windows in physical units.
        validation: (m, n_feature) the same, of other recordings or other time.
        family: Name of the model family.
        settings: How it is trained.
        run: Seed, checkpoints and progress.
        units: (n,) the unit of each window of ``fit``, where the detector will be asked about units it does not know.

    Raises:
        DataError: No window, or a value that is not finite.
        TrainingError: Too few windows, or the fit fails.
    """
    scaler = fit_scaler(spec, fit)
    z = [scaler.transform(values).astype(np.float32) for values in (fit, validation)]
    healthy = healthy_rows(spec, scaler, *z)
    rows = healthy.rows
    if family in GUARDED:
        rows = replace(rows, level_limit=learn_level_limit(spec, scaler, z[0], units, settings))
    fitted = fit_core(family, rows, settings, run)
    return Learned(scaler, DetectorModule(scaler, fitted.core, Conditioner.of(healthy.baseline, scaler)), fitted)
