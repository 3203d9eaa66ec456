"""Autoencoder: a network that can only give back what healthy windows look like."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ground.models.family import VARIANCE_FLOOR, Core, FitData, Fitted, WeightArrays, scarcity_warnings
from ground.reproducible import reproducible
from ground.training_loop import divergence_warnings, loop_settings, train_network

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun


class Autoencoder(Core):
    """``n_feature -> hidden -> bottleneck -> hidden reversed -> n_feature``, ReLU between.

    The bottleneck is bounded by softsign ``x / (1 + |x|)``, so the output is bounded too: a window that is louder or
    quieter than all healthy ones by any factor cannot be extrapolated, and its score grows with its distance. Softsign
    and not tanh, because it needs no transcendental function and is the same on every processor.

    Score: ``sqrt(mean_i(r_i^2 / residual_variance_i))``, the root mean square of the residual in units of what is usual
    on validation; 1 on average there.

    Trained in float32 and then run in float64: far from healthy, the float32 rounding of a reconstruction in z would
    show in its logarithmic features.

    Attributes:
        residual_variance: (n_feature,) mean square of the residual over validation, at least ``VARIANCE_FLOOR``.
    """

    residual_variance: Tensor

    def __init__(self, n_feature: int, hidden: tuple[int, ...], bottleneck: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_layers((n_feature, *hidden, bottleneck)), nn.Softsign())
        self.decoder = nn.Sequential(*_layers((bottleneck, *reversed(hidden), n_feature)))
        self.register_buffer("residual_variance", torch.ones(n_feature))

    def reconstruct(self, z: Tensor) -> Tensor:
        """(batch, n_feature) of what ``z`` of the same shape should have been."""
        reconstruction: Tensor = self.decoder(self.encoder(z))
        return reconstruction

    def loss(self, z: Tensor) -> Tensor:
        """Mean squared residual of (batch, n_feature), a scalar."""
        return torch.mean(torch.square(z - self.reconstruct(z)))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        exact = z.to(self.residual_variance.dtype)
        reconstruction = self.reconstruct(exact)
        squared = torch.square(exact - reconstruction) / self.residual_variance
        return reconstruction, torch.sqrt(torch.mean(squared, dim=1)).float()


def build_autoencoder(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Autoencoder:
    """An unfitted core, in float64 as when fitted."""
    del arrays
    return Autoencoder(n_feature, settings.hidden, settings.bottleneck).double()


def fit_autoencoder(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Train with early stopping on ``data.validation``, then measure the usual residual there.

    Raises:
        TrainingError: See ``train_network``.
    """
    with reproducible(run.seed):
        core = Autoencoder(data.n_feature, settings.hidden, settings.bottleneck)
        result = train_network(
            core, core.loss, fit=data.fit, validation=data.validation, settings=loop_settings(settings), run=run
        )
        core.double()
        core.residual_variance.copy_(_residual_variance(core, torch.tensor(data.validation).double()))
    core.eval()
    return Fitted(
        core=core,
        losses=result.losses,
        best_epoch=result.best_epoch,
        stop_reason=result.stop_reason,
        warnings=(*scarcity_warnings(data), *divergence_warnings(result)),
    )


def _layers(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers[:-1]


def _residual_variance(core: Autoencoder, validation: Tensor) -> Tensor:
    with torch.no_grad():
        residual = validation - core.reconstruct(validation)
    return torch.clamp(torch.square(residual).mean(dim=0), min=VARIANCE_FLOOR)
