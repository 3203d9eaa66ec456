"""What is usual for each feature at an operating condition: a sum of polylines, one over each condition.

A machine is louder when it turns faster, and that is no fault. What stays when the baseline is taken away is compared
between conditions. Where the training holds separate conditions (a rig at four speeds), each of them that lies between
others is left out once and predicted from its neighbours: the errors made there belong to what is healthy, for the
machine will run between the trained conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 1e-3
"""Pull of every step between knots towards none, in units of the mean square of a ramp."""
CLUSTER_GAP = 0.05
"""Conditions further apart than this share of the whole range, with nothing between them, are separate ones."""
MOST_CLUSTERS = 12
"""With more clusters than this, the condition counts as continuous."""
WIDEST_CLUSTERS = 0.2
"""So does one whose clusters fill more than this share of its range."""
STILL_RATIO = 0.005
"""A condition that spreads by less than this share of its mean stands still: reported speeds jitter as much."""
MOST_SPANS = 5
ROWS_PER_SPAN = 30
"""A span of a continuous condition needs so many rows, lest it follow the noise."""
_ENDS = 2


@dataclass(frozen=True, slots=True)
class Knots:
    """Where the polyline over one condition bends.

    Attributes:
        column: The condition's column in the feature vector.
        at: (n_knot,) ascending, at least two.
        is_discrete: Whether the knots are separate conditions, not points of a continuous one.
    """

    column: int
    at: NDArray[np.float64]
    is_discrete: bool

    def ramps(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, n_knot - 1) how far each span has been crossed, 0 to 1; beyond the ends the polyline is flat."""
        low, high = self.at[:-1], self.at[1:]
        return np.clip((scaled[:, self.column, None] - low) / (high - low), 0.0, 1.0)

    def cluster_of(self, scaled: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n,) index of the nearest knot."""
        return np.asarray(np.abs(scaled[:, self.column, None] - self.at).argmin(axis=1))


@dataclass(frozen=True, slots=True)
class Baseline:
    """Expected features by condition.

    Attributes:
        knots: One a condition that varies.
        conditions: Columns of all conditions: they are explained whole, and nothing of them is strange.
        offset: (n_feature,) expectation below all knots.
        steps: (n_ramp, n_feature) rise over each span.
    """

    knots: tuple[Knots, ...]
    conditions: tuple[int, ...]
    offset: NDArray[np.float64]
    steps: NDArray[np.float64]

    def residual(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, n_feature) of what the conditions do not explain."""
        rest = scaled - self.offset - _ramps(self.knots, scaled) @ self.steps
        rest[:, list(self.conditions)] = 0.0
        return np.asarray(rest)


def fit_baseline(scaled: NDArray[np.float64], conditions: tuple[int, ...]) -> Baseline:
    """Fit the baseline by least squares.

    Args:
        scaled: (n, n_feature) healthy features, logarithms where their scale says so, n > 0.
        conditions: Columns of the operating conditions.
    """
    return _fit(scaled, conditions, tuple(find_knots(scaled, conditions)))


def healthy_residuals(scaled: NDArray[np.float64], conditions: tuple[int, ...]) -> NDArray[np.float64]:
    """What the baseline leaves over on healthy windows, at trained conditions and at ones left out.

    Args:
        scaled: (n, n_feature) healthy features, logarithms where their scale says so, n > 0.
        conditions: Columns of the operating conditions.

    Returns:
        (m, n_feature), m >= n: the residuals of ``fit_baseline``, then those of each separate condition between others
        under a baseline that was fitted without it.
    """
    baseline = fit_baseline(scaled, conditions)
    left_out = [
        _fit(scaled[~chosen], conditions, tuple(find_knots(scaled[~chosen], conditions))).residual(scaled[chosen])
        for chosen in inner_conditions(scaled, baseline.knots)
    ]
    return np.concatenate([baseline.residual(scaled), *left_out])


def inner_conditions(scaled: NDArray[np.float64], knots: tuple[Knots, ...]) -> Iterator[NDArray[np.bool_]]:
    """(n,) flags of the rows of each separate condition that lies between others."""
    for one in knots:
        if one.is_discrete:
            cluster = one.cluster_of(scaled)
            yield from (cluster == index for index in range(1, len(one.at) - 1))


def find_knots(scaled: NDArray[np.float64], conditions: tuple[int, ...]) -> Iterator[Knots]:
    """The knots over each condition that varies.

    Separate conditions are a knot each. A continuous one has knots at its quantiles, at most ``MOST_SPANS`` spans of
    ``ROWS_PER_SPAN`` rows or more.
    """
    for column in conditions:
        values = np.sort(scaled[:, column])
        span = values[-1] - values[0]
        if values.std() <= STILL_RATIO * abs(values.mean()):
            continue
        edges = np.flatnonzero(np.diff(values) > CLUSTER_GAP * span) + 1
        clusters = np.split(values, edges)
        filled = sum(cluster[-1] - cluster[0] for cluster in clusters)
        if _ENDS <= len(clusters) <= MOST_CLUSTERS and filled <= WIDEST_CLUSTERS * span:
            yield Knots(column, np.array([cluster.mean() for cluster in clusters]), is_discrete=True)
            continue
        n_span = int(np.clip(len(values) // ROWS_PER_SPAN, 1, MOST_SPANS))
        at = np.unique(np.quantile(values, np.linspace(0.0, 1.0, n_span + 1)))
        yield Knots(column, at, is_discrete=False)


def _fit(scaled: NDArray[np.float64], conditions: tuple[int, ...], knots: tuple[Knots, ...]) -> Baseline:
    ramps = _ramps(knots, scaled)
    mean, centre = scaled.mean(axis=0), ramps.mean(axis=0)
    centred = ramps - centre
    gram = centred.T @ centred / len(scaled) + RIDGE * np.eye(ramps.shape[1])
    steps = np.linalg.solve(gram, centred.T @ (scaled - mean) / len(scaled))
    return Baseline(knots, conditions, mean - centre @ steps, steps)


def _ramps(knots: tuple[Knots, ...], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros((len(scaled), 0)), *(one.ramps(scaled) for one in knots)], axis=1)
