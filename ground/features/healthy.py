"""What is healthy, in physical units: the scaler of a bundle, with its logarithms undone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_agent.scaler import Scaler
from shared_features.feature import LOG

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthyRange:
    """A feature over the healthy windows that a model was fitted to, in the feature's unit.

    Attributes:
        name: Full name.
        scale: ``log`` or ``linear``.
        mean: Mean; of a ``log`` feature the geometric one.
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


def _range(name: str, scale: str, mean: float, std: float) -> HealthyRange:
    low, middle, high = mean - std, mean, mean + std
    if scale == LOG:
        low, middle, high = (_exp(edge) for edge in (low, middle, high))
    return HealthyRange(name=name, scale=scale, mean=middle, low=low, high=high)


def _exp(logarithm: float) -> float:
    """A scaler is any finite numbers: what no float can hold is cut."""
    return math.exp(min(max(logarithm, -_LARGEST_EXPONENT), _LARGEST_EXPONENT))
