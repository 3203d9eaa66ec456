"""Whether a record can be believed: missing values, a dead or flat sensor, clipping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_features.spec import QualityLimits

ASSESSED = ""
NOT_FINITE = "not_finite"
FLATLINE = "flatline"
CLIPPED = "clipped"


def quality_of(x: NDArray[np.float64], low: float, high: float, limits: QualityLimits) -> str:
    """The reason why a record cannot be assessed, or ``ASSESSED``.

    Args:
        x: (record_n,) float64, finite samples of one channel.
        low: Smallest sample.
        high: Largest sample.
        limits: From which share on a record counts as flat or clipped.
    """
    equal = x[1:] == x[:-1]
    equal_n = int(np.count_nonzero(equal))
    # Most records hold few equal neighbours: both tests below need more of them than their limit, so skip the work.
    if equal_n + 1 >= limits.flat_run_ratio * x.size and longest_run(equal) + 1 >= limits.flat_run_ratio * x.size:
        return FLATLINE
    if equal_n >= limits.clip_ratio * x.size:
        after = x[1:]
        clipped_n = np.count_nonzero(equal & ((after == low) | (after == high)))
        if clipped_n >= limits.clip_ratio * x.size:
            return CLIPPED
    return ASSESSED


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of true values in ``flags`` (n,)."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return int(np.max(edges[1::2] - edges[::2], initial=0))
