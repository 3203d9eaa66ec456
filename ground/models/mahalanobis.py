"""Mahalanobis distance: how far a window lies from healthy ones, in units of their joint spread.

Source: Mahalanobis, P. C. (1936), On the generalised distance in statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ground.models.family import FitData, Fitted, WeightArrays
from ground.models.gaussian import GaussianCore, fit_gaussian
from ground.models.level_guard import LevelGuard
from ground.models.outcome import closed_form
from ground.reproducible import reproducible

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun


class Mahalanobis(GaussianCore):
    """Score ``sqrt(d^2 / n_feature)``: the root mean square of the whitened features.

    On healthy windows it is about 1, and less the more shrinkage takes from correlations between features. The
    reconstruction is each feature's conditional expectation given all the others. Where ``FitData.level_limit`` is set,
    a window near that level or above it scores more.

    Attributes:
        guard: The limit.
    """

    def __init__(self, n_feature: int) -> None:
        super().__init__(n_feature)
        self.guard = LevelGuard(n_feature)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        # Not centred * (P centred): rounding can take that difference of large terms below zero.
        score = torch.sqrt(torch.mean(torch.square(self.whitened(z)), dim=1))
        return self.expected(z), self.guard(z, score).float()


def build_mahalanobis(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Mahalanobis:
    """An unfitted core."""
    del settings, arrays
    return Mahalanobis(n_feature)


def fit_mahalanobis(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit to ``data.fit``; ``data.validation`` only tells how it does. Nothing in it is random.

    Raises:
        TrainingError: The covariance cannot be inverted.
    """
    core = Mahalanobis(data.n_feature)
    with reproducible(run.seed):
        gaussian = fit_gaussian(data, settings)
        core.take(gaussian.mean, gaussian.whitening())
    core.guard.take(data.level_limit)
    return closed_form(core, data, settings)
