"""The normal distribution of healthy windows: what several families start from.

Sources: shrinkage of a sample covariance: Ledoit, O. and Wolf, M. (2004), A well-conditioned estimator for
large-dimensional covariance matrices, J. Multivariate Analysis 88; conditional expectations of a normal vector from its
precision matrix: Lauritzen, S. (1996), Graphical Models, section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ground.config import AUTO
from ground.errors import TrainingError
from ground.models.family import VARIANCE_FLOOR, Core, FitData

if TYPE_CHECKING:
    from ground.config import ModelConfig

LEAST_SHRINKAGE = 0.05
"""What ``auto`` takes at least: Ledoit and Wolf's estimate believes in independent windows, and neighbours are not."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """(n_feature,) centre and (n_feature, n_feature) shrunk covariance, float64."""

    mean: Tensor
    covariance: Tensor

    def whitening(self) -> Tensor:
        """(n_feature, n_feature) upper triangular ``W`` with ``W W^T`` the inverse of the covariance.

        Raises:
            TrainingError: The covariance cannot be inverted.
        """
        try:
            lower = torch.linalg.cholesky(self.covariance)
        except RuntimeError as error:
            raise TrainingError(
                "covariance: expected one that can be inverted, got a singular one; raise model.shrinkage"
            ) from error
        inverse: Tensor = torch.linalg.solve_triangular(lower, torch.eye(len(lower)).double(), upper=False)
        return inverse.T


class GaussianCore(Core):
    """A core that knows the centre of healthy windows, a whitening, and what each feature should be given the others.

    In float64: far from healthy, the float32 rounding of a reconstruction in z would show in its logarithmic features.

    Attributes:
        mean: (n_feature,) centre.
        whitening: (n_feature, n_feature) ``W`` with ``W W^T = P``, the precision matrix.
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

    def take(self, mean: Tensor, whitening: Tensor) -> None:
        """Take up a fitted centre and whitening, both float64, in the units of z."""
        precision = whitening @ whitening.T
        self.mean.copy_(mean)
        self.whitening.copy_(whitening)
        self.regression.copy_(torch.eye(len(mean)) - precision / precision.diagonal())

    def whitened(self, z: Tensor) -> Tensor:
        """(batch, n_feature) float64 of ``z`` of the same shape: independent and of unit spread where healthy."""
        return (z.double() - self.mean) @ self.whitening

    def expected(self, z: Tensor) -> Tensor:
        """(batch, n_feature) float64: each feature's conditional expectation given all the others of ``z``.

        ``z_i - (P (z - mean))_i / P_ii``: the residual is what the others do not explain.
        """
        return self.mean + (z.double() - self.mean) @ self.regression


def fit_gaussian(data: FitData, settings: ModelConfig) -> Gaussian:
    """Centre and covariance of ``data.fit``.

    The covariance is ``(1 - s) S + s diag(S)`` with ``s`` of ``shrinkage_of``, every variance at least
    ``VARIANCE_FLOOR``. Call it within ``reproducible``.
    """
    rows = torch.tensor(data.fit).double()
    mean = rows.mean(dim=0)
    centred = rows - mean
    sample = centred.T @ centred / (len(rows) - 1)
    variances = torch.clamp(sample.diagonal(), min=VARIANCE_FLOOR)
    shrunk = (1.0 - shrinkage_of(data, settings)) * sample
    return Gaussian(mean, shrunk - torch.diag(shrunk.diagonal()) + torch.diag(variances))


def shrinkage_of(data: FitData, settings: ModelConfig) -> float:
    """``model.shrinkage``, or for ``auto`` Ledoit and Wolf's of the fit rows, at least ``LEAST_SHRINKAGE``."""
    if settings.shrinkage != AUTO:
        return settings.shrinkage
    return max(LEAST_SHRINKAGE, _ledoit_wolf(data))


def gaussian_warnings(data: FitData, settings: ModelConfig) -> tuple[str, ...]:
    """What a reader of a model with a covariance must know: constant features, and a shrinkage set too low."""
    return (*_constant_warnings(data), *_shrinkage_warnings(data, settings))


def _constant_warnings(data: FitData) -> tuple[str, ...]:
    # Operating conditions are explained whole by the baseline: nothing of them is left, by design.
    is_left = (data.fit != 0.0).any(axis=0).tolist()
    variances = data.fit.astype("float64").var(axis=0)
    columns = zip(data.names, variances, is_left, strict=True)
    constant = [name for name, variance, left in columns if left and variance < VARIANCE_FLOOR]
    if not constant:
        return ()
    text = f"fit rows: expected features that vary, got (almost) constant {', '.join(constant)}; "
    return (text + "drop them or add recordings in which they vary",)


def _shrinkage_warnings(data: FitData, settings: ModelConfig) -> tuple[str, ...]:
    if settings.shrinkage == AUTO:
        return ()
    advised = _ledoit_wolf(data)
    if advised <= settings.shrinkage:
        return ()
    text = f"model.shrinkage: expected at least {advised:.2f} (Ledoit-Wolf on these rows), got {settings.shrinkage}; "
    return (text + "raise it, set auto or add healthy recordings",)


def _ledoit_wolf(data: FitData) -> float:
    from sklearn.covariance import ledoit_wolf_shrinkage

    return float(ledoit_wolf_shrinkage(data.fit.astype("float64")))
