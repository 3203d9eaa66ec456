"""Central moments that merge: records into a window.

Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
Moments", Sandia SAND2008-6212; merged here for many parts at once, about the common mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.waveform import Waveform


def merge_moments(parts: Sequence[Waveform], n: int) -> tuple[float, float, float, float]:
    """Moments of the union of parts of equal size.

    Args:
        parts: One or more; their order fixes the bits.
        n: Samples of one part.

    Returns:
        Mean and central sums ``m_p = sum((x - mean)**p)`` for p = 2, 3 and 4.
    """
    # The offset of the first part is taken out before averaging: a bias of 1e6 g must not cost the digits of the rest.
    first = parts[0].mean
    common = first + add_up([part.mean - first for part in parts]) / len(parts)
    m2 = m3 = m4 = 0.0
    for part in parts:
        d = part.mean - common
        d2 = d * d
        n_d2 = n * d2
        m2 += part.m2 + n_d2
        m3 += part.m3 + 3.0 * d * part.m2 + n_d2 * d
        m4 += part.m4 + 4.0 * d * part.m3 + 6.0 * d2 * part.m2 + n_d2 * d2
    return common, m2, m3, m4


def add_up(values: Sequence[float]) -> float:
    """Sum of one or more values, one after the other: since Python 3.12 its own ``sum`` rounds otherwise."""
    total = values[0]
    for value in values[1:]:
        total += value
    return total
