"""Soft limit: beyond a few healthy standard deviations a feature counts by the logarithm of its distance.

Without it one spike in one sensor, which squares to hundreds, outweighs forty features that have all moved.
"""

from __future__ import annotations

import torch
from torch import Tensor

SOFT_LIMIT = 3.0
"""Healthy standard deviations up to which a residual counts as it is; docs/adr/0016 says what was measured."""


def soft_limit(residual: Tensor) -> Tensor:
    """``r`` up to ``SOFT_LIMIT`` and ``sign(r) SOFT_LIMIT (1 + ln(|r| / SOFT_LIMIT))`` beyond: smooth, endless.

    Args:
        residual: (batch, n_feature) float64.

    Returns:
        The same shape and dtype.
    """
    beyond = torch.log(torch.clamp(torch.abs(residual), min=SOFT_LIMIT) / SOFT_LIMIT)
    return torch.clamp(residual, -SOFT_LIMIT, SOFT_LIMIT) * (1.0 + beyond)


def soft_unlimit(limited: Tensor) -> Tensor:
    """The inverse of ``soft_limit``."""
    beyond = torch.exp(torch.clamp(torch.abs(limited), min=SOFT_LIMIT) / SOFT_LIMIT - 1.0)
    return torch.clamp(limited, -SOFT_LIMIT, SOFT_LIMIT) * beyond
