"""Central moments that merge: blocks into a record, records into a window.

Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
Moments", Sandia SAND2008-6212; merged here for many parts at once, about the common mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_N = 2048
"""Samples summed in one row: short enough for one summation order in every numpy, long enough to be fast."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and central sums ``m_p = sum((x - mean)**p)`` of some samples."""

    n: int
    mean: float
    m2: float
    m3: float
    m4: float


def moments_of(x: NDArray[np.float64]) -> Moments:
    """Moments of one contiguous row.

    Args:
        x: (n,) float64, finite, n >= 1.
    """
    whole_n = x.size // BLOCK_N * BLOCK_N
    parts = [_block_moments(x[:whole_n].reshape(-1, BLOCK_N))] if whole_n else []
    if whole_n < x.size:
        parts.append(_block_moments(x[whole_n:].reshape(1, -1)))
    return _merge(np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])


def merge_moments(parts: list[Moments]) -> Moments:
    """Moments of the union of ``parts``; the order of the parts fixes the bits."""
    table = np.array([(part.n, part.mean, part.m2, part.m3, part.m4) for part in parts], dtype=np.float64)
    return _merge(np.ascontiguousarray(table.T))


def _block_moments(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(5, n_row) table of n, mean, m2, m3, m4 of each row."""
    row_n = rows.shape[1]
    mean = np.add.reduce(rows, axis=1) / row_n
    d = rows - mean[:, np.newaxis]
    d2 = d * d
    d4 = d2 * d2
    np.multiply(d, d2, out=d)
    return np.stack([
        np.full(rows.shape[0], float(row_n)),
        mean,
        np.add.reduce(d2, axis=1),
        np.add.reduce(d, axis=1),
        np.add.reduce(d4, axis=1),
    ])  # fmt: skip


def _merge(table: NDArray[np.float64]) -> Moments:
    n, mean, m2, m3, m4 = table
    total = np.add.reduce(n)
    # The offset of the first part is taken out before averaging: a bias of 1e6 g must not cost the digits of the rest.
    common = mean[0] + np.add.reduce(n * (mean - mean[0])) / total
    d = mean - common
    d2 = d * d
    return Moments(
        n=int(total),
        mean=float(common),
        m2=float(np.add.reduce(m2 + n * d2)),
        m3=float(np.add.reduce(m3 + 3.0 * d * m2 + n * d2 * d)),
        m4=float(np.add.reduce(m4 + 4.0 * d * m3 + 6.0 * d2 * m2 + n * d2 * d2)),
    )
