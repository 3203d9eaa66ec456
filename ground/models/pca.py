"""PCA: how far a window lies within the subspace of healthy variation, and how far outside it.

Source: Tipping, M. and Bishop, C. (1999), Probabilistic principal component analysis, J. Royal Statistical Society B
61; the two statistics are Hotelling's T^2 and the squared prediction error of Jackson, J. and Mudholkar, G. (1979),
Control procedures for residuals associated with principal component analysis, Technometrics 21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ground.models.family import VARIANCE_FLOOR, FitData, Fitted, WeightArrays
from ground.models.gaussian import Gaussian, GaussianCore, fit_gaussian
from ground.models.outcome import closed_form
from ground.reproducible import reproducible

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun


class Pca(GaussianCore):
    """Score ``sqrt((T^2 + Q / noise) / n_feature)``: the Mahalanobis distance of a probabilistic PCA.

    ``T^2`` is the sum of the squared components, each over its variance; ``Q`` the squared distance from the subspace.
    Either alone would be blind: ``Q`` to whatever moves as healthy engines do, only farther; ``T^2`` to all else. The
    one ``noise`` for all that lies outside is what tells it from ``Mahalanobis``: directions in which the fit rows
    hardly move are not trusted one by one.

    The reconstruction is each feature's conditional expectation given all the others, and not the projection, whose
    residual says nothing of a window that leaves within the subspace.
    """

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        # The columns of the whitening are the components over their spreads, those outside the subspace over the noise.
        score = torch.sqrt(torch.mean(torch.square(self.whitened(z)), dim=1))
        return self.expected(z), score.float()


def build_pca(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Pca:
    """An unfitted core."""
    del settings, arrays
    return Pca(n_feature)


def fit_pca(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit to ``data.fit``: as few components as explain ``model.explained_variance``. Nothing in it is random.

    The components are those of the shrunk covariance of ``fit_gaussian``.
    """
    core = Pca(data.n_feature)
    with reproducible(run.seed):
        gaussian = fit_gaussian(data, settings)
        core.take(gaussian.mean, component_whitening(gaussian, settings.explained_variance))
    return closed_form(core, data, settings)


def component_whitening(gaussian: Gaussian, explained_variance: float) -> Tensor:
    """(n_feature, n_feature) float64 ``W``, a column a component, of falling variance: ``(z - mean) W`` is whitened.

    Args:
        gaussian: Healthy windows.
        explained_variance: Share of the total variance that the subspace holds; one component at least stays outside.
    """
    ascending, vectors = torch.linalg.eigh(gaussian.covariance)
    variances = torch.clamp(ascending.flip(0), min=VARIANCE_FLOOR)
    explained = torch.cumsum(variances, dim=0) / variances.sum()
    n_component = min(int(torch.count_nonzero(explained < explained_variance)) + 1, len(variances) - 1)
    variances[n_component:] = variances[n_component:].mean()
    whitening: Tensor = vectors.flip(1) / torch.sqrt(variances)
    return whitening
