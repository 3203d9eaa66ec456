"""Coupling flow: the density of healthy windows, learned as a chain of maps that can be undone.

Source: Dinh, L., Sohl-Dickstein, J. and Bengio, S. (2017), Density estimation using Real NVP, ICLR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import softsign

from ground.errors import TrainingError
from ground.models.family import FitData, Fitted, WeightArrays
from ground.models.gaussian import fit_gaussian
from ground.models.height import HeightCore
from ground.models.outcome import trained
from ground.reproducible import reproducible
from ground.training_loop import loop_settings, train_network

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

COUPLINGS = 4
FEWEST_FEATURES = 2


class Flow(HeightCore):
    """Score: root of the negative log-likelihood above the least of the fit rows, over its usual one.

    Couplings map whitened windows to a standard normal vector ``u``; ``-log p = |u|^2 / 2 - sum of the log scales``.
    They start as the identity, so an untrained flow is the Mahalanobis distance. Scales and shifts are bounded: far out
    a coupling only stretches and moves, so ``|u|`` and the score grow with the distance and stay finite.
    """

    def __init__(self, n_feature: int, hidden: int) -> None:
        super().__init__(n_feature)
        halves = (n_feature - n_feature // 2, n_feature // 2)
        self.couplings = nn.ModuleList(
            _Coupling(*(halves if at % 2 == 0 else halves[::-1]), hidden) for at in range(COUPLINGS)
        )

    def strangeness(self, whitened: Tensor) -> Tensor:
        """Negative log-likelihood a feature, up to a constant."""
        n_feature = whitened.shape[1]
        given, changed = whitened[:, : n_feature - n_feature // 2], whitened[:, n_feature - n_feature // 2 :]
        log_scales = []
        for coupling in self.couplings:
            changed, log_scale = coupling(given, changed)
            log_scales.append(log_scale)
            given, changed = changed, given
        square = torch.square(given).sum(dim=1) + torch.square(changed).sum(dim=1)
        return (0.5 * square - torch.stack(log_scales).sum(dim=0)) / n_feature

    def loss(self, whitened: Tensor) -> Tensor:
        """Mean negative log-likelihood a feature of (batch, n_feature) whitened windows, a scalar."""
        return torch.mean(self.strangeness(whitened))


class _Coupling(nn.Module):
    """Stretches and moves one half by amounts that it reads off the other."""

    def __init__(self, n_given: int, n_changed: int, hidden: int) -> None:
        super().__init__()
        self.read = nn.Linear(n_given, hidden)
        self.log_scale = nn.Linear(hidden, n_changed)
        self.shift = nn.Linear(hidden, n_changed)
        for layer in (self.log_scale, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, given: Tensor, changed: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, n_changed) of the changed half, and (batch,) sums of the log scales, each within +-1."""
        hidden = softsign(self.read(given))
        log_scale = softsign(self.log_scale(hidden))
        return changed * torch.exp(log_scale) + self.shift(hidden), log_scale.sum(dim=1)


def build_flow(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Flow:
    """An unfitted core, its networks in float64 as when fitted."""
    del arrays
    return Flow(n_feature, settings.hidden[0]).double()


def fit_flow(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Train by maximum likelihood on whitened ``data.fit``, stopping early on ``data.validation``.

    Raises:
        TrainingError: One feature only, which has no other half; else see ``train_network``.
    """
    if data.n_feature < FEWEST_FEATURES:
        raise TrainingError(
            f"model.family flow: expected at least {FEWEST_FEATURES} features, got 1; take another family"
        )
    with reproducible(run.seed):
        core = Flow(data.n_feature, settings.hidden[0])
        gaussian = fit_gaussian(data, settings)
        core.take(gaussian.mean, gaussian.whitening())
        fit, validation = (core.whitened(torch.tensor(rows)).float() for rows in (data.fit, data.validation))
        result = train_network(
            core, core.loss, fit=fit.numpy(), validation=validation.numpy(), settings=loop_settings(settings), run=run
        )
        core.settle(data)
    return trained(core, result, data, settings)
