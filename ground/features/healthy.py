"""What is healthy, in physical units: the scaler of a bundle, with its logarithms undone.

A scaler knows the mean over all operating conditions, and the spread about what is usual at one of them. So the range
of a window lies about what the model expects of it, at its conditions and beside its other features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.scaler import Scaler
from shared_features.feature import LOG

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthyRange:
    """What is usual for a feature, in its unit.

    Attributes:
        name: Full name.
        scale: ``log`` or ``linear``.
        mean: Mean over the healthy windows that a model was fitted to, of a ``log`` feature the geometric one; or what
            the model expects of one window.
        low: One standard deviation below; of a ``log`` feature a factor below.
        high: One standard deviation above, likewise.
    """

    name: str
    scale: str
    mean: float
    low: float
    high: float


def healthy_ranges(scaler: Scaler) -> tuple[HealthyRange, ...]:
    """The healthy range of each feature, in the order of the vector."""
    rows = zip(scaler.names, scaler.scales, scaler.mean, scaler.std, strict=True)
    return tuple(_range(*row) for row in rows)


def expected_ranges(scaler: Scaler, reconstruction: NDArray[np.float32]) -> tuple[HealthyRange, ...]:
    """The range of each feature about what a model expects of a window.

    Args:
        scaler: The model's.
        reconstruction: (n_feature,) what it expects, in physical units.
    """
    middles = np.array(scaler.mean) + scaler.transform(reconstruction) * np.array(scaler.std)
    rows = zip(scaler.names, scaler.scales, middles.tolist(), scaler.std, strict=True)
    return tuple(_range(*row) for row in rows)


def _range(name: str, scale: str, mean: float, std: float) -> HealthyRange:
    low, middle, high = mean - std, mean, mean + std
    if scale == LOG:
        low, middle, high = (_exp(edge) for edge in (low, middle, high))
    return HealthyRange(name=name, scale=scale, mean=middle, low=low, high=high)


def _exp(logarithm: float) -> float:
    """A scaler is any finite numbers: what no float can hold is cut."""
    return math.exp(min(max(logarithm, -_LARGEST_EXPONENT), _LARGEST_EXPONENT))
