"""A bound on the next of a few values, whose spread starts from what other machines have shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

PRIOR_SPREAD = 0.25
"""Standard deviation between the logarithms of the values of one machine's flights, before any is seen; the largest of
nine recordings had 0.28 (docs/adr/0017)."""
PRIOR_WEIGHT = 4
"""So many flights' worth of it."""


def prediction_bound(values: NDArray[np.float64], share: float) -> float:
    """What the next value exceeds with probability ``share``, if logarithms of values are normal.

    Their spread is pooled from ``PRIOR_WEIGHT`` values of ``PRIOR_SPREAD`` and from those given; the bound is that of
    Student's t for one further value (G. Hahn, J. Am. Stat. Assoc. 64, 1969, with prior degrees of freedom).

    Args:
        values: (n,) positive, n > 0.
        share: Probability, 0 to 1.

    Returns:
        The bound, at least the largest of the values.
    """
    logarithms = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    n, mean = len(logarithms), logarithms.mean()
    freedom = PRIOR_WEIGHT + n - 1
    variance = (PRIOR_WEIGHT * PRIOR_SPREAD**2 + np.square(logarithms - mean).sum()) / freedom
    bound = mean + student_t.ppf(1.0 - share, freedom) * np.sqrt(variance * (1.0 + 1.0 / n))
    return float(np.exp(max(bound, logarithms.max())))
