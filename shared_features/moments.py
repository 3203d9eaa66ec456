"""Central moments that merge: records into a window.

Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
Moments", Sandia SAND2008-6212; merged here for many parts at once, about the common mean.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def merge_moments(
    means: Sequence[float], m2s: Sequence[float], m3s: Sequence[float], m4s: Sequence[float], n: int
) -> tuple[float, float, float, float]:
    """Moments of the union of parts of equal size.

    Args:
        means: The mean of each part, one or more; their order fixes the bits.
        m2s: The central sum ``m2 = sum((x - mean)**2)`` of each part.
        m3s: The same with the third power.
        m4s: The same with the fourth.
        n: Samples of one part.

    Returns:
        Mean and central sums of the union.
    """
    # The offset of the first part is taken out before averaging: a bias of 1e6 g must not cost the digits of the rest.
    first = means[0]
    common = first + add_up([mean - first for mean in means]) / len(means)
    m2 = m3 = m4 = 0.0
    for mean, part_m2, part_m3, part_m4 in zip(means, m2s, m3s, m4s, strict=True):
        d = mean - common
        d2 = d * d
        n_d2 = n * d2
        m2 += part_m2 + n_d2
        m3 += part_m3 + 3.0 * d * part_m2 + n_d2 * d
        m4 += part_m4 + 4.0 * d * part_m3 + 6.0 * d2 * part_m2 + n_d2 * d2
    return common, m2, m3, m4


def add_up(values: Sequence[float]) -> float:
    """Sum of one or more values, one after the other: since Python 3.12 its own ``sum`` rounds otherwise."""
    return reduce(add, values)
