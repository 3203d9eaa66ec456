"""Level guard: a window that is louder than any unit of its kind is strange, whatever its features say together.

A distance from a kind measures how far a unit is from others as well as how far it is from healthy; where units differ
much, the first hides the second. The plain level is the coarsest of features and the one whose spread between units a
few of them tell. So it has a say of its own, but only near a limit that no healthy unit should reach (docs/adr/0024).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ground.models.limiter import soft_unlimit

POWER = 8.0
"""Below its limit the level counts by this power of its ratio: at 0.8 of it for a sixth, so it hides no other fault."""
_FARTHEST = 40.0
"""Residuals and logarithms of ratios beyond it count as this: scores stay finite in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLimit:
    """How loud healthy units get, as those left out of the training told.

    Attributes:
        weights: (n_feature,) float64: a row of residuals times these is the logarithm of its level over the usual one;
            empty where there is no limit.
        log_level: Logarithm of the limit.
        score: What the score is at the limit: more than healthy units score.
    """

    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    log_level: float = 0.0
    score: float = 0.0

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return bool(len(self.weights))


class LevelGuard(nn.Module):
    """The larger of a core's score and ``score min(u, u^POWER)``, of the level's ratio ``u`` to its limit.

    Attributes:
        weights: (n_feature,) see ``LevelLimit``; zeros where there is no limit.
        log_level: See ``LevelLimit``.
        score: See ``LevelLimit``; 0 where there is no limit, and then every score stays what it is.
    """

    weights: Tensor
    log_level: Tensor
    score: Tensor

    def __init__(self, n_feature: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(n_feature, dtype=torch.float64))
        self.register_buffer("log_level", torch.zeros((), dtype=torch.float64))
        self.register_buffer("score", torch.zeros((), dtype=torch.float64))

    def take(self, limit: LevelLimit) -> None:
        """Take up a limit; none leaves the guard asleep."""
        if limit.is_set:
            self.weights.copy_(torch.from_numpy(limit.weights))
            self.log_level.fill_(limit.log_level)
            self.score.fill_(limit.score)

    def forward(self, z: Tensor, score: Tensor) -> Tensor:
        """(batch,) float64 guarded scores.

        Args:
            z: (batch, n_feature) soft-limited residuals.
            score: (batch,) float64 scores of the core.
        """
        residual = soft_unlimit(torch.clamp(z.double(), -_FARTHEST, _FARTHEST))
        log_ratio = residual @ self.weights - self.log_level
        log_ratio = torch.clamp(log_ratio, -_FARTHEST, _FARTHEST)
        counted = log_ratio + (POWER - 1.0) * torch.clamp(log_ratio, -_FARTHEST, 0.0)
        return torch.maximum(score, self.score * torch.exp(counted))
