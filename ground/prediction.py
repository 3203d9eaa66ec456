"""A bound on the next of a few values, whose spread starts from what other machines have shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

FLIGHT_SPREAD = 0.25
"""Standard deviation between the logarithms of the values of one machine's flights, before any is seen; the largest of
nine recordings had 0.28 (docs/adr/0017)."""
UNIT_SPREAD = 0.45
"""The same between machines of one kind that the detector does not know (docs/adr/0026)."""
PRIOR_WEIGHT = 4
"""So many flights' worth of it."""


def prediction_bound(values: NDArray[np.float64], share: float, *, prior_spread: float = FLIGHT_SPREAD) -> float:
    """What the next value exceeds with probability ``share``, if logarithms of values are normal.

    Their spread is pooled from ``PRIOR_WEIGHT`` values of ``prior_spread`` and from those given; the bound is that of
    Student's t for one further value (G. Hahn, J. Am. Stat. Assoc. 64, 1969, with prior degrees of freedom).

    Args:
        values: (n,) positive, n > 0.
        share: Probability, 0 to 1.
        prior_spread: Standard deviation between the logarithms of the values, before any is seen.

    Returns:
        The bound, at least the largest of the values.
    """
    logarithms = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    n, mean = len(logarithms), logarithms.mean()
    freedom = PRIOR_WEIGHT + n - 1
    variance = (PRIOR_WEIGHT * prior_spread**2 + np.square(logarithms - mean).sum()) / freedom
    bound = mean + student_t.ppf(1.0 - share, freedom) * np.sqrt(variance * (1.0 + 1.0 / n))
    return float(np.exp(max(bound, logarithms.max())))
