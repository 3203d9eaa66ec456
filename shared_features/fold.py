"""From records to windows: a pure fold, the same for a stream and for a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.moments import Moments, merge_moments, sum_parts
from shared_features.quality import ASSESSED
from shared_features.waveform import Waveform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.record import Record

_COLUMN = {name: index for index, name in enumerate(Waveform._fields)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Statistics of some windows of one channel; the fields are those of ``Waveform`` and ``Record``, over all records.

    ``crossings`` counts within the records only: the step from one record to the next is not looked at.

    Attributes:
        reasons: (n_window,) why a window cannot be assessed: what its first bad record says; empty where it can.
        n: Samples of one window.
        steps: Steps from sample to sample that ``crossings`` looked at, per window.
        mean: (n_window,), as all that follow, but for the densities.
        psd: (n_window, n_line) mean density.
        envelope: (n_window, n_envelope) mean envelope energies.
        orders: (n_window, n_order) mean powers of the orders.
    """

    reasons: tuple[str, ...]
    n: int
    steps: int
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    m3: NDArray[np.float64]
    m4: NDArray[np.float64]
    abs_sum: NDArray[np.float64]
    sqrt_abs_sum: NDArray[np.float64]
    crossings: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    psd: NDArray[np.float64]
    envelope: NDArray[np.float64]
    orders: NDArray[np.float64]


@dataclass(frozen=True)
class WindowPlan:
    """Which of some consecutive records make which window: window ``i`` takes ``length`` ones from ``i * hop`` on.

    Attributes:
        length: Records of a window.
        hop: Records from one window to the next.
        n_window: Windows.
        record_n: Samples of a record.
    """

    length: int
    hop: int
    n_window: int
    record_n: int

    @cached_property
    def indices(self) -> NDArray[np.intp]:
        """(length, n_window) which record is part ``k`` of window ``i``."""
        return np.arange(self.length)[:, np.newaxis] + np.arange(self.n_window) * self.hop


def fold(records: Sequence[Record], plan: WindowPlan) -> Fold:
    """Merge consecutive records of one channel into windows.

    Args:
        records: Oldest first; they touch each other in time, and there are enough for the plan.
        plan: Which records make which window.
    """
    table = np.array([record.waveform for record in records])
    parts = table[plan.indices]
    moments = Moments(*(parts[:, :, _COLUMN[name]] for name in ("mean", "m2", "m3", "m4")))
    merged = merge_moments(moments, plan.record_n)
    sums = sum_parts(parts)
    first = records[0]
    means = _mean_rows([record.powers for record in records], plan)
    return Fold(
        reasons=_reasons(records, plan),
        n=plan.length * plan.record_n,
        steps=plan.length * (plan.record_n - 1),
        mean=merged.mean,
        m2=merged.m2,
        m3=merged.m3,
        m4=merged.m4,
        abs_sum=sums[:, _COLUMN["abs_sum"]],
        sqrt_abs_sum=sums[:, _COLUMN["sqrt_abs_sum"]],
        crossings=sums[:, _COLUMN["crossings"]],
        low=parts[:, :, _COLUMN["low"]].min(axis=0),
        high=parts[:, :, _COLUMN["high"]].max(axis=0),
        psd=means[:, : first.cuts[0]],
        envelope=means[:, first.cuts[0] : first.cuts[1]],
        orders=means[:, first.cuts[1] :],
    )


def _reasons(records: Sequence[Record], plan: WindowPlan) -> tuple[str, ...]:
    return tuple(
        next((record.reason for record in records[first : first + plan.length] if record.reason != ASSESSED), ASSESSED)
        for first in range(0, plan.n_window * plan.hop, plan.hop)
    )


def _mean_rows(rows: Sequence[NDArray[np.float64]], plan: WindowPlan) -> NDArray[np.float64]:
    """(n_window, n) means of the rows of each window, added up one after the other."""
    means = np.empty((plan.n_window, rows[0].size))
    for total, first in zip(means, range(0, plan.n_window * plan.hop, plan.hop), strict=True):
        np.copyto(total, rows[first])
        for row in rows[first + 1 : first + plan.length]:
            np.add(total, row, out=total)
    means /= plan.length
    return means
