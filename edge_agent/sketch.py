"""Sketch: how features and scores were distributed over some windows, in little room, and to be added to others.

Everything in it is a whole number, so that the sketches of two parts add up to the sketch of the whole, to the bit, in
whatever order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALED_EDGES = (-64.0, -16.0, -8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)
"""Edges of the bins of scaled features: fine about the usual, coarse further out, since operating conditions that the
scaler knows nothing of may move a healthy feature by many spreads."""
RATIO_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 4.0)
"""Edges of the bins of score over threshold: fine below 1, where a rise can still be answered."""
STEPS_PER_UNIT = 256
"""Scaled features are summed in steps of 1/256 of a spread: its error of 0.1 % of one is nothing beside a spread."""
LARGEST = 4_096.0
"""Scaled features count as no more than so many spreads: 4 million squares of it add up within an int64."""

_SCALED = np.array(SCALED_EDGES)
_RATIO = np.array(RATIO_EDGES)
N_BIN = len(SCALED_EDGES) + 1
N_RATIO_BIN = len(RATIO_EDGES) + 1


@dataclass(slots=True, eq=False, kw_only=True)
class Sketch:
    """What is left of windows when they are gone.

    A bin holds its lower edge and not its upper one.

    Attributes:
        counts: (n_feature, N_BIN) uint32, windows by bin of each scaled feature.
        sums: (n_feature,) int64, sum of the scaled features, in steps.
        squares: (n_feature,) int64, sum of their squares, in steps squared.
        ratios: (N_RATIO_BIN,) uint32, windows by bin of score over threshold.
        not_assessed: Windows that were not assessed, by reason; they are in none of the others.
        shed: Windows for which there was no time; nor are they.
    """

    counts: NDArray[np.uint32]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    ratios: NDArray[np.uint32]
    not_assessed: Counter[str] = field(default_factory=Counter)
    shed: int = 0

    @classmethod
    def empty(cls, n_feature: int) -> Sketch:
        """The sketch of no window."""
        return cls(
            counts=np.zeros((n_feature, N_BIN), dtype=np.uint32),
            sums=np.zeros(n_feature, dtype=np.int64),
            squares=np.zeros(n_feature, dtype=np.int64),
            ratios=np.zeros(N_RATIO_BIN, dtype=np.uint32),
        )

    @property
    def n(self) -> int:
        """Windows that were assessed."""
        return int(self.ratios.sum())

    def add(self, scaled: NDArray[np.float64], ratio: float) -> None:
        """Add an assessed window.

        Args:
            scaled: (n_feature,) its features, scaled; not NaN.
            ratio: Its score over its threshold.
        """
        self.counts[np.arange(len(scaled)), _SCALED.searchsorted(scaled, side="right")] += 1
        self.ratios[_RATIO.searchsorted(ratio, side="right")] += 1
        steps = np.rint(np.clip(scaled, -LARGEST, LARGEST) * STEPS_PER_UNIT).astype(np.int64)
        self.sums += steps
        self.squares += steps * steps

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch(
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            squares=self.squares + other.squares,
            ratios=self.ratios + other.ratios,
            not_assessed=self.not_assessed + other.not_assessed,
            shed=self.shed + other.shed,
        )

    def mean(self) -> NDArray[np.float64]:
        """(n_feature,) means of the scaled features; NaN where no window was assessed."""
        with np.errstate(invalid="ignore"):
            return self.sums / np.float64(self.n) / STEPS_PER_UNIT

    def std(self) -> NDArray[np.float64]:
        """(n_feature,) standard deviations of the scaled features (of n, not n - 1); NaN where there was no window."""
        with np.errstate(invalid="ignore"):
            mean_square = self.squares / np.float64(self.n) / STEPS_PER_UNIT**2
        return np.sqrt(np.maximum(mean_square - self.mean() ** 2, 0.0))
