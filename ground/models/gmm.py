"""Gaussian mixture: how unlikely a window is where healthy engines have several ways to run.

Source: McLachlan, G. and Peel, D. (2000), Finite Mixture Models; the number and kind of parts by Schwarz, G. (1978),
Estimating the dimension of a model, Annals of Statistics 6; covariances held to the common one as by Friedman, J.
(1989), Regularized discriminant analysis, J. American Statistical Association 84.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ground.models.family import (
    ADVISED_ROWS_PER_FEATURE,
    FEWEST_FIT_ROWS,
    VARIANCE_FLOOR,
    Core,
    FitData,
    Fitted,
    WeightArrays,
    leading_size,
    usual_score,
)
from ground.models.gaussian import Gaussian, fit_gaussian, shrinkage_of
from ground.models.outcome import closed_form
from ground.reproducible import reproducible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sklearn.mixture import GaussianMixture

    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

MEANS = "means"


class Gmm(Core):
    """Score ``sqrt(-2 log(sum_k w_k exp(-d_k^2 / 2)) / n_feature)`` over its usual one.

    ``d_k`` is the Mahalanobis distance from part ``k`` and ``w_k`` its weight. It is the negative log-likelihood but
    for the height of each part's own peak: with it, healthy windows of a way to run that spreads more would all be
    stranger than those of one that spreads little, and one threshold would serve neither. Never below zero, for the
    weights add up to one; and never a logarithm of zero, for the sum is taken relative to its largest term. With one
    part it is the Mahalanobis distance.

    The reconstruction is each part's conditional expectation of every feature given the others, weighted by how likely
    the window is of that part; its residual points along the gradient of the score.

    Attributes:
        means: (n_part, n_feature) centres.
        whitening: (n_part, n_feature, n_feature) ``W`` with ``W W^T = P``, the part's precision matrix.
        log_weight: (n_part,) logarithm of the share of healthy windows that are of the part.
        scale: Root mean square of the score over validation.
    """

    means: Tensor
    whitening: Tensor
    log_weight: Tensor
    scale: Tensor

    def __init__(self, n_feature: int, n_part: int) -> None:
        super().__init__()
        self.register_buffer(MEANS, torch.zeros(n_part, n_feature, dtype=torch.float64))
        self.register_buffer("whitening", torch.eye(n_feature, dtype=torch.float64).repeat(n_part, 1, 1))
        self.register_buffer("log_weight", torch.zeros(n_part, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        centred = z.double() - self.means[:, None, :]
        whitened = centred @ self.whitening
        exponents = self.log_weight[:, None] - 0.5 * torch.square(whitened).sum(dim=2)
        largest = exponents.amax(dim=0)
        likelihoods = torch.exp(exponents - largest)
        total = likelihoods.sum(dim=0)
        # Zero or less; at the common centre of all parts rounding can take it above, by nothing that counts.
        surprise = torch.abs(largest + torch.log(total))
        score = torch.sqrt(2.0 * surprise / z.shape[1]) / self.scale
        pulls = (whitened @ self.whitening.transpose(1, 2)) / torch.square(self.whitening).sum(dim=2)[:, None, :]
        return z.double() - ((likelihoods / total)[:, :, None] * pulls).sum(dim=0), score.float()


def build_gmm(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Gmm:
    """An unfitted core of as many parts as ``arrays`` has."""
    del settings
    return Gmm(n_feature, leading_size(arrays, MEANS))


def fit_gmm(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit to ``data.fit``, whitened by their common covariance; take the unit from validation.

    Up to ``model.mixture_components`` parts with diagonal, common or full covariances: those of the lowest BIC. To each
    covariance the common one is added, times the shrinkage that the rows ask for.
    """
    with reproducible(run.seed):
        common = fit_gaussian(data, settings)
        whitening = common.whitening()
        rows = (torch.tensor(data.fit).double() - common.mean) @ whitening
        mixture = _best_mixture(
            rows.numpy(), settings.mixture_components, least=shrinkage_of(data, settings), seed=run.seed
        )
        core = _core(_parts(mixture, common.mean, torch.linalg.inv(whitening)), mixture.weights_)
        core.scale.fill_(usual_score(core, data.validation))
    return closed_form(core, data, settings)


def _best_mixture(rows: NDArray[np.float64], most: int, *, least: float, seed: int) -> GaussianMixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixtures = []
    with warnings.catch_warnings():
        # Fewer distinct rows than parts, or slow convergence: such a mixture is judged by its BIC like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for kind, n_part in _candidates(len(rows), rows.shape[1], most):
            mixture = GaussianMixture(n_part, covariance_type=kind, reg_covar=least, random_state=seed)
            mixtures.append(mixture.fit(rows))
        return min(mixtures, key=lambda mixture: float(mixture.bic(rows)))


def _candidates(n_row: int, n_feature: int, most: int) -> Iterator[tuple[str, int]]:
    """Kinds of covariance and numbers of parts that so many rows can tell apart, the simplest first."""
    for n_part in range(1, max(1, min(most, n_row // FEWEST_FIT_ROWS)) + 1):
        yield "diag", n_part
        if n_row >= ADVISED_ROWS_PER_FEATURE * n_feature:
            yield "tied", n_part
        if n_part > 1 and n_row >= ADVISED_ROWS_PER_FEATURE * n_feature * n_part:
            yield "full", n_part


def _parts(mixture: GaussianMixture, mean: Tensor, colouring: Tensor) -> list[Gaussian]:
    """The parts in units of z, every variance at least ``VARIANCE_FLOOR``; ``colouring`` undoes the whitening."""
    covariances = colouring.T @ _covariances(mixture) @ colouring
    missing = torch.clamp(VARIANCE_FLOOR - covariances.diagonal(dim1=1, dim2=2), min=0.0)
    centres = mean + torch.tensor(mixture.means_) @ colouring
    return [Gaussian(*part) for part in zip(centres, covariances + torch.diag_embed(missing), strict=True)]


def _covariances(mixture: GaussianMixture) -> Tensor:
    """(n_part, n_feature, n_feature) of whitened rows, whatever shape the kind has in scikit-learn."""
    covariances = torch.tensor(mixture.covariances_)
    if mixture.covariance_type == "diag":
        return torch.diag_embed(covariances)
    return covariances.expand(len(mixture.weights_), *covariances.shape[-2:])


def _core(parts: list[Gaussian], weights: NDArray[np.float64]) -> Gmm:
    core = Gmm(len(parts[0].mean), len(parts))
    core.means.copy_(torch.stack([part.mean for part in parts]))
    core.whitening.copy_(torch.stack([part.whitening() for part in parts]))
    core.log_weight.copy_(torch.log(torch.tensor(weights)))
    return core
