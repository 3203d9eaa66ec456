"""What a feature is: a name, a unit, a formula, a source and a scale."""

from __future__ import annotations

from dataclasses import dataclass

LOG = "log"
LINEAR = "linear"
TINY = 1e-300
"""Stands for zero in logarithms and denominators: far below what samples can make."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a window of one channel.

    Attributes:
        name: Name within its channel; the full name is ``<channel>.<name>``.
        unit: Unit, where ``{u}`` stands for the unit of the channel.
        scale: ``log`` for positive magnitudes that vary by factors, ``linear`` for the rest.
        formula: The formula, as documentation shows it.
        source: Where the definition comes from.
    """

    name: str
    unit: str
    scale: str
    formula: str
    source: str


def ratio(numerator: float, denominator: float) -> float:
    """The ratio of magnitudes; 0 where the denominator is.

    A window of a slow value in coarse steps may hold records that stand still, each at another level: its magnitude
    about the records' means is 0 where its deviation is not.
    """
    return numerator / denominator if denominator > TINY else 0.0
