"""Normalisation by operating condition as part of the graph: the formulas of ``ground.baseline`` as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ground.models.limiter import soft_limit, soft_unlimit

if TYPE_CHECKING:
    from edge_agent.scaler import Scaler
    from ground.baseline import Baseline


class Conditioner(nn.Module):
    """z to soft-limited residuals about what is usual at the window's operating condition, and back.

    In float64, as the normaliser is: products of large steps and ramps would show in float32 residuals.

    Attributes:
        selected: (n_feature, n_ramp) picks each ramp's condition out of z.
        low: (n_ramp,) where the ramps begin.
        width: (n_ramp,) how wide they are.
        offset: (n_feature,) expectation below all ramps.
        steps: (n_ramp, n_feature) rise over each ramp.
        explained: (n_feature,) bool, whether a feature is a condition: those are explained whole.
    """

    selected: Tensor
    low: Tensor
    width: Tensor
    offset: Tensor
    steps: Tensor
    explained: Tensor

    def __init__(self, n_feature: int, n_ramp: int) -> None:
        super().__init__()
        self.register_buffer("selected", torch.zeros(n_feature, n_ramp, dtype=torch.float64))
        self.register_buffer("low", torch.zeros(n_ramp, dtype=torch.float64))
        self.register_buffer("width", torch.ones(n_ramp, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros(n_feature, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros(n_ramp, n_feature, dtype=torch.float64))
        self.register_buffer("explained", torch.zeros(n_feature, dtype=torch.bool))

    @classmethod
    def of(cls, baseline: Baseline, scaler: Scaler) -> Conditioner:
        """The module of a fitted baseline, whose features ``scaler`` normalises."""
        module = cls(len(baseline.offset), len(baseline.steps))
        mean, std = torch.tensor(scaler.mean).double(), torch.tensor(scaler.std).double()
        ramp = 0
        for knots in baseline.knots:
            n_ramp = len(knots.at) - 1
            module.selected[knots.column, ramp : ramp + n_ramp] = 1.0
            at = (torch.tensor(knots.at) - mean[knots.column]) / std[knots.column]
            module.low[ramp : ramp + n_ramp] = at[:-1]
            module.width[ramp : ramp + n_ramp] = at.diff()
            ramp += n_ramp
        module.offset.copy_((torch.tensor(baseline.offset) - mean) / std)
        module.steps.copy_(torch.tensor(baseline.steps) / std)
        module.explained[list(baseline.conditions)] = True
        return module

    def expected(self, z: Tensor) -> Tensor:
        """(batch, n_feature) float64 what is usual at the conditions of ``z``, (batch, n_feature) float32."""
        wide = z.double()
        usual = self.offset
        if len(self.low):
            ramps = torch.clamp((wide @ self.selected - self.low) / self.width, 0.0, 1.0)
            usual = self.offset + ramps @ self.steps
        return torch.where(self.explained, wide, usual)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, n_feature) float32 soft-limited residuals of ``z``, float32 of the same shape."""
        return soft_limit(z.double() - self.expected(z)).float()

    def inverse(self, z: Tensor, residual: Tensor) -> Tensor:
        """The z whose soft-limited residual at the conditions of ``z`` is ``residual``; float64, (batch, n_feature)."""
        return self.expected(z) + soft_unlimit(residual.double())
