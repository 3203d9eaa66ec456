"""A few rows that stand for many: greedy k-center selection.

Source: Gonzalez, T. (1985), Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38;
as a memory of healthy windows: Roth, K. et al. (2022), Towards total recall in industrial anomaly detection, CVPR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANDIDATES_N = 16_384
"""Rows that are looked at, drawn where there are more: selection costs their number times that of the chosen ones."""


def greedy_k_center(rows: NDArray[np.float64], size: int, *, seed: int) -> NDArray[np.int64]:
    """Choose rows so that no row is far from a chosen one.

    Starts from the row nearest to the mean and adds, again and again, the row that is farthest from all chosen ones. No
    two chosen rows are equal.

    Args:
        rows: (n, n_feature), finite.
        size: Most rows to choose.
        seed: Draws the candidates where there are more than ``CANDIDATES_N`` rows.

    Returns:
        (m,) ascending row numbers, ``1 <= m <= size``.
    """
    candidates = np.arange(len(rows))
    if len(rows) > CANDIDATES_N:
        candidates = np.sort(np.random.default_rng(seed).choice(len(rows), CANDIDATES_N, replace=False))
    pool = rows[candidates]
    chosen = [int(np.argmin(_squared_distances(pool, pool.mean(axis=0))))]
    nearest = _squared_distances(pool, pool[chosen[0]])
    while len(chosen) < min(size, len(pool)) and nearest.max() > 0.0:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _squared_distances(pool, pool[chosen[-1]]))
    return np.sort(candidates[chosen])


def _squared_distances(rows: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    squared: NDArray[np.float64] = np.square(rows - point).sum(axis=1)
    return squared
