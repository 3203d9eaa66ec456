"""Whether a record can be believed: missing values, a dead or flat sensor, clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared_features.spec import QualityLimits

if TYPE_CHECKING:
    from shared_features.waveform import Waveform

ASSESSED = ""
NOT_FINITE = "not_finite"
FLATLINE = "flatline"
CLIPPED = "clipped"
DROPOUT = "dropout"
BIAS_STEP = "bias_step"
SPIKES = "spikes"


def quality_of(
    samples: NDArray[Any],
    deviation: NDArray[np.float64] | float,
    waveform: Waveform | float,
    limits: QualityLimits,
) -> str:
    """The reason why a record cannot be assessed, or ``ASSESSED``.

    Args:
        samples: (record_n,) finite samples of one channel as they came, single or double precision: the same answer.
        deviation: (record_n,) float64, the samples about their mean.
        waveform: Statistics of the record.
        limits: What the sensor is judged by.
    """
    # Until record.py passes deviation and waveform, the old call (samples, low, high, limits) is taken as well.
    low, high = (
        (float(deviation), float(waveform)) if isinstance(waveform, float) else (waveform.low, waveform.high)  # type: ignore[union-attr]
    )
    x = samples
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
