"""From records to a window: a pure fold, the same for a stream and for a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.moments import Moments, merge_moments
from shared_features.quality import ASSESSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Statistics of one window of one channel; the fields are those of ``Record``, over all its records.

    ``crossings`` counts within the records only: the step from one record to the next is not looked at.
    """

    reason: str
    moments: Moments
    low: float
    high: float
    abs_sum: float
    sqrt_abs_sum: float
    crossings: int
    crossing_steps: int
    psd: NDArray[np.float64]


def fold(records: Sequence[Record]) -> Fold:
    """Merge consecutive records of one channel.

    Args:
        records: One or more records, oldest first; they touch each other in time.
    """
    psd = np.stack([record.psd for record in records])
    return Fold(
        reason=next((record.reason for record in records if record.reason != ASSESSED), ASSESSED),
        moments=merge_moments([record.moments for record in records]),
        low=min(record.low for record in records),
        high=max(record.high for record in records),
        abs_sum=float(np.add.reduce(np.array([record.abs_sum for record in records]))),
        sqrt_abs_sum=float(np.add.reduce(np.array([record.sqrt_abs_sum for record in records]))),
        crossings=sum(record.crossings for record in records),
        crossing_steps=sum(record.moments.n - 1 for record in records),
        psd=np.add.reduce(psd, axis=0) / len(records),
    )
