"""Scores of networks whose output has no natural zero: their height above what is least on healthy windows."""

from __future__ import annotations

import torch
from torch import Tensor

from ground.models.family import FitData, usual_score
from ground.models.gaussian import GaussianCore

HEIGHT_FLOOR = 1e-4
"""Least height of a window: a root at zero would magnify the rounding by which torch and onnxruntime differ."""


class HeightCore(GaussianCore):
    """Score ``sqrt(strangeness - least)`` over its usual one, of a ``strangeness`` that grows with a square.

    Windows below ``least``, or less than ``HEIGHT_FLOOR`` above it, are all as healthy as can be.

    The reconstruction is each feature's conditional expectation given all the others, in the normal distribution that
    the whitening comes from.

    Attributes:
        least: Smallest strangeness of the fit rows.
        scale: Root mean square of the score over validation.
    """

    least: Tensor
    scale: Tensor

    def __init__(self, n_feature: int) -> None:
        super().__init__(n_feature)
        self.register_buffer("least", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def strangeness(self, whitened: Tensor) -> Tensor:
        """(batch,) of (batch, n_feature) whitened windows, of the dtype of the parameters."""
        raise NotImplementedError

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        # In float64, weights included: of the difference of two large numbers near healthy float32 would leave little.
        height = torch.clamp(self.strangeness(self.whitened(z)) - self.least, min=HEIGHT_FLOOR)
        return self.expected(z), (torch.sqrt(height) / self.scale).float()

    def settle(self, data: FitData) -> None:
        """After training in float32: go over to float64, and find the zero and the unit of the score."""
        self.double().eval()
        with torch.no_grad():
            self.least.copy_(self.strangeness(self.whitened(torch.tensor(data.fit))).min())
        self.scale.fill_(usual_score(self, data.validation))
