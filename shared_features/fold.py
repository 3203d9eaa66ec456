"""From records to a window: a pure fold, the same for a stream and for a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.moments import add_up, merge_moments
from shared_features.quality import ASSESSED
from shared_features.waveform import Waveform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.record import Record


@dataclass(frozen=True, slots=True)
class Fold:
    """Statistics of one window of one channel, over all its records.

    Attributes:
        n: Samples of the window.
        steps: Steps from sample to sample in which ``waveform.crossings`` are counted: those within the records, as the
            step from one record to the next is not looked at.
        waveform: Statistics of the samples.
        psd: (n_line,) mean density.
        envelope: (n_envelope,) mean envelope energies.
        orders: (n_order,) mean powers of the orders.
    """

    n: int
    steps: int
    waveform: Waveform
    psd: NDArray[np.float64]
    envelope: NDArray[np.float64]
    orders: NDArray[np.float64]


def fold(records: Sequence[Record], record_n: int) -> Fold:
    """Merge consecutive records of one channel into a window.

    Args:
        records: Oldest first, one or more; they touch each other in time, and all can be assessed.
        record_n: Samples of one record.
    """
    means = _mean_powers(records)
    first, second = records[0].cuts
    return Fold(
        len(records) * record_n,
        len(records) * (record_n - 1),
        _merged([record.waveform for record in records], record_n),
        means[:first],
        means[first:second],
        means[second:],
    )


def reason_of(records: Sequence[Record]) -> str:
    """Why a window of consecutive records cannot be assessed: what its first bad record says; empty when it can."""
    return next((record.reason for record in records if record.reason), ASSESSED)


def _merged(waveforms: Sequence[Waveform], record_n: int) -> Waveform:
    mean, m2, m3, m4, abs_sum, sqrt_abs_sum, crossings, low, high = zip(*waveforms, strict=True)
    central = merge_moments(mean, m2, m3, m4, record_n)
    return Waveform(*central, add_up(abs_sum), add_up(sqrt_abs_sum), add_up(crossings), min(low), max(high))


def _mean_powers(records: Sequence[Record]) -> NDArray[np.float64]:
    """(n,) mean of the records' powers, added up one after the other."""
    mean = records[0].powers.copy()
    for record in records[1:]:
        np.add(mean, record.powers, out=mean)
    mean /= len(records)
    return mean
