"""Central moments that merge: records into windows.

Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
Moments", Sandia SAND2008-6212; merged here for many parts at once, about the common mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and central sums ``m_p = sum((x - mean)**p)`` of several sets of samples, one column a set or (n_set,)."""

    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    m3: NDArray[np.float64]
    m4: NDArray[np.float64]


def merge_moments(parts: Moments, n: int) -> Moments:
    """Moments of unions of parts of equal size.

    Args:
        parts: (n_part, n_set) each; the order of the parts fixes the bits.
        n: Samples of one part.

    Returns:
        (n_set,) each.
    """
    mean, m2, m3, m4 = parts.mean, parts.m2, parts.m3, parts.m4
    # The offset of the first part is taken out before averaging: a bias of 1e6 g must not cost the digits of the rest.
    common = mean[0] + sum_parts(mean - mean[0]) / len(mean)
    d = mean - common
    d2 = d * d
    return Moments(
        mean=common,
        m2=sum_parts(m2 + n * d2),
        m3=sum_parts(m3 + 3.0 * d * m2 + n * d2 * d),
        m4=sum_parts(m4 + 4.0 * d * m3 + 6.0 * d2 * m2 + n * d2 * d2),
    )


def sum_parts(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum along the first axis, part after part: a plain sum would change its order with the number of columns."""
    return np.asarray(np.add.accumulate(parts, axis=0)[-1])
