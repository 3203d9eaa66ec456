"""Normalisation as part of the graph, so that what flies is one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edge_agent.scaler import LOG_FLOOR
from shared_features.feature import LOG

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler

Z_LIMIT = 1e4
"""Normalised values are cut at +- this many healthy standard deviations: wild input stays finite and far out."""
PHYSICAL_LIMIT = 3e38
"""Reconstructions are cut here, just inside float32."""


class Normaliser(nn.Module):
    """Physical features to z and back: the formulas of ``edge_agent.scaler.Scaler``.

    All of it in float64, rounded once: float32 logarithms differ in bits between torch, onnxruntime and processors, and
    a division by a small ``std`` would magnify that.
    """

    is_log: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, scaler: Scaler) -> None:
        super().__init__()
        self.register_buffer("is_log", torch.tensor([scale == LOG for scale in scaler.scales]))
        self.register_buffer("mean", torch.tensor(scaler.mean, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(scaler.std, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise.

        Args:
            features: (batch, n_feature) float32 in physical units; infinities count as very large, NaN is not allowed.

        Returns:
            (batch, n_feature) float32 within +-``Z_LIMIT``.
        """
        physical = features.double()
        logarithm = torch.log(torch.clamp(physical, min=LOG_FLOOR))
        z = (torch.where(self.is_log, logarithm, physical) - self.mean) / self.std
        return torch.clamp(z, -Z_LIMIT, Z_LIMIT).float()

    def inverse(self, z: Tensor) -> Tensor:
        """Give back physical units.

        Args:
            z: (batch, n_feature) float32.

        Returns:
            (batch, n_feature) float32 within +-``PHYSICAL_LIMIT``; what is below ``LOG_FLOOR`` or so underflows to 0.
        """
        scaled = z.double() * self.std + self.mean
        physical = torch.where(self.is_log, torch.exp(scaled), scaled)
        return torch.clamp(physical, -PHYSICAL_LIMIT, PHYSICAL_LIMIT).float()

    def usual_size(self) -> NDArray[np.float64]:
        """(n_feature,) magnitude on healthy windows, in physical units: geometric mean or root mean square."""
        return torch.where(self.is_log, torch.exp(self.mean), torch.hypot(self.mean, self.std)).numpy()
