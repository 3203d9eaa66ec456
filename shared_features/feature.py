"""What a feature is: a name, a unit, a formula, a scale, and the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

LOG = "log"
LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Feature(Generic[T]):
    """One number of a window of one channel.

    Attributes:
        name: Name within its channel; the full name is ``<channel>.<name>``.
        unit: Unit, where ``{u}`` stands for the unit of the channel.
        scale: ``log`` for positive magnitudes that vary by factors, ``linear`` for the rest.
        formula: The formula, as documentation shows it.
        compute: From the group's statistics of the window to the number, in float64.
    """

    name: str
    unit: str
    scale: str
    formula: str
    compute: Callable[[T], float]


def ratio(numerator: float, denominator: float) -> float:
    """The ratio, and 0 where a constant signal leaves it undefined (such a window is not assessed)."""
    return numerator / denominator if denominator > 0.0 else 0.0
