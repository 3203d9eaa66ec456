"""The graph that ships: normalisation, also by operating condition, a family's core, and back to physical units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ground.models.conditioner import Conditioner
from ground.models.normaliser import Z_LIMIT, Normaliser

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.models.family import Core


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """(batch, n_feature) ``reconstruction`` in physical units and (batch,) ``score``, both float32."""

    reconstruction: NDArray[np.float32]
    score: NDArray[np.float32]


class DetectorModule(nn.Module):
    """A core between a normaliser, a conditioner and their inverses."""

    def __init__(self, scaler: Scaler, core: Core, conditioner: Conditioner) -> None:
        super().__init__()
        self.normaliser = Normaliser(scaler)
        self.conditioner = conditioner
        self.core = core
        self.eval()

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Score physical features.

        Args:
            features: (batch, n_feature) float32 in physical units, without NaN.

        Returns:
            (batch, n_feature) float32 reconstruction in physical units, and (batch,) float32 score; always finite.
        """
        z = self.normaliser(features)
        residual, score = self.core(self.conditioner(z))
        reconstruction = self.conditioner.inverse(z, residual)
        return self.normaliser.inverse(torch.clamp(reconstruction, -Z_LIMIT, Z_LIMIT)), score

    def outputs(self, features: NDArray[np.float32]) -> ModelOutputs:
        """``forward`` on numpy arrays, without gradients."""
        with torch.no_grad():
            reconstruction, score = self(torch.tensor(np.ascontiguousarray(features, dtype=np.float32)))
        return ModelOutputs(reconstruction.numpy(), score.numpy())
