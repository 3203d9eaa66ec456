"""What a feature is: a name, a unit, a formula, a source, a scale, and the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

LOG = "log"
LINEAR = "linear"
TINY = 1e-300
"""Stands for zero in logarithms and denominators: far below what samples can make."""


@dataclass(frozen=True, slots=True)
class Feature(Generic[T]):
    """One number of a window of one channel.

    Attributes:
        name: Name within its channel; the full name is ``<channel>.<name>``.
        unit: Unit, where ``{u}`` stands for the unit of the channel.
        scale: ``log`` for positive magnitudes that vary by factors, ``linear`` for the rest.
        formula: The formula, as documentation shows it.
        source: Where the definition comes from.
        compute: From the group's statistics of some windows to the numbers, (n_window,) float64.
    """

    name: str
    unit: str
    scale: str
    formula: str
    source: str
    compute: Callable[[T], NDArray[np.float64]]


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratios of magnitudes; 0 where the denominator is.

    A window of a slow value in coarse steps may hold records that stand still, each at another level: its magnitude
    about the records' means is 0 where its deviation is not.
    """
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > TINY)
