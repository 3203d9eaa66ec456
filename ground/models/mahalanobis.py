"""Mahalanobis distance: how far a window lies from healthy ones, in units of their joint spread.

Source: Mahalanobis, P. C. (1936), On the generalised distance in statistics; conditional expectations of a normal
vector from its precision matrix: Lauritzen, S. (1996), Graphical Models, section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ground.errors import TrainingError
from ground.models.family import VARIANCE_FLOOR, Core, FitData, Fitted, scarcity_warnings
from ground.reproducible import reproducible

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

CLOSED_FORM = "closed form"


class Mahalanobis(Core):
    """Score ``sqrt(d^2 / n_feature)``: the root mean square of the whitened features.

    On healthy windows it is about 1, and less the more shrinkage takes from correlations between features.

    The reconstruction is each feature's conditional expectation given all the others,
    ``z_i - (P (z - mean))_i / P_ii`` with the precision matrix ``P``: the residual is what the others do not explain.

    In float64: far from healthy, the float32 rounding of a reconstruction in z would show in its logarithmic features.

    Attributes:
        mean: (n_feature,) centre.
        whitening: (n_feature, n_feature) ``W`` with ``W W^T = P``.
        regression: (n_feature, n_feature) ``-P_ji / P_ii`` in row j, column i, and zero for j = i.
    """

    mean: Tensor
    whitening: Tensor
    regression: Tensor

    def __init__(self, n_feature: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_feature, dtype=torch.float64))
        self.register_buffer("whitening", torch.eye(n_feature, dtype=torch.float64))
        self.register_buffer("regression", torch.zeros(n_feature, n_feature, dtype=torch.float64))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        centred = z.double() - self.mean
        # Not centred * (P centred): rounding can take that difference of large terms below zero.
        score = torch.sqrt(torch.mean(torch.square(centred @ self.whitening), dim=1))
        return self.mean + centred @ self.regression, score.float()


@dataclass(frozen=True, slots=True)
class _Gaussian:
    """Centre and shrunk covariance, float64."""

    mean: Tensor
    covariance: Tensor


def build_mahalanobis(n_feature: int, settings: ModelConfig) -> Mahalanobis:
    """An unfitted core."""
    del settings
    return Mahalanobis(n_feature)


def fit_mahalanobis(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit to ``data.fit``; ``data.validation`` only tells how it does.

    The covariance is ``(1 - s) S + s diag(S)`` with ``s = settings.shrinkage``, every variance at least
    ``VARIANCE_FLOOR``. Nothing in it is random.

    Raises:
        TrainingError: The covariance cannot be inverted.
    """
    core = Mahalanobis(data.n_feature)
    with reproducible(run.seed):
        gaussian = _gaussian(torch.tensor(data.fit).double(), settings.shrinkage)
        lower = _cholesky(gaussian.covariance)
        whitening = torch.linalg.solve_triangular(lower, torch.eye(data.n_feature).double(), upper=False).T
        precision = whitening @ whitening.T
    core.mean.copy_(gaussian.mean)
    core.whitening.copy_(whitening)
    core.regression.copy_(torch.eye(data.n_feature) - precision / precision.diagonal())
    warnings = (*scarcity_warnings(data), *_constant_warnings(data), *_shrinkage_warnings(data, settings.shrinkage))
    return Fitted(core=core, losses=(), best_epoch=0, stop_reason=CLOSED_FORM, warnings=warnings)


def _gaussian(rows: Tensor, shrinkage: float) -> _Gaussian:
    mean = rows.mean(dim=0)
    centred = rows - mean
    sample = centred.T @ centred / (len(rows) - 1)
    variances = torch.clamp(sample.diagonal(), min=VARIANCE_FLOOR)
    shrunk = (1.0 - shrinkage) * sample
    return _Gaussian(mean, shrunk - torch.diag(shrunk.diagonal()) + torch.diag(variances))


def _cholesky(covariance: Tensor) -> Tensor:
    try:
        lower: Tensor = torch.linalg.cholesky(covariance)
    except RuntimeError as error:
        raise TrainingError(
            "mahalanobis: expected a covariance that can be inverted, got a singular one; raise model.shrinkage"
        ) from error
    return lower


def _constant_warnings(data: FitData) -> tuple[str, ...]:
    variances = data.fit.astype("float64").var(axis=0)
    constant = [name for name, variance in zip(data.names, variances, strict=True) if variance < VARIANCE_FLOOR]
    if not constant:
        return ()
    text = f"fit rows: expected features that vary, got (almost) constant {', '.join(constant)}; "
    return (text + "drop them or add recordings in which they vary",)


def _shrinkage_warnings(data: FitData, shrinkage: float) -> tuple[str, ...]:
    from sklearn.covariance import ledoit_wolf_shrinkage

    advised = float(ledoit_wolf_shrinkage(data.fit.astype("float64")))
    if advised <= shrinkage:
        return ()
    text = f"model.shrinkage: expected at least {advised:.2f} (Ledoit-Wolf on these rows), got {shrinkage}; "
    return (text + "raise it or add healthy recordings",)
