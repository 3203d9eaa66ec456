"""Operating conditions that are known now and then: each value holds until the next one of its stretch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class HeldCondition:
    """What was done to one operating condition.

    Attributes:
        name: ``n1_hz`` or ``n2_hz``.
        held_n: Samples without a value that took the last known one of their stretch.
        unknown_n: Samples before the first value of their stretch; they stay unknown.
        longest_hold_s: Longest time that one value was held.
    """

    name: str
    held_n: int
    unknown_n: int
    longest_hold_s: float


def hold(values: NDArray[np.float64], first_n: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Hold each known value until the next one of its stretch, as a receiver on board does that cannot look ahead.

    Args:
        values: (n,), NaN where unknown.
        first_n: (n_stretch,) index of each stretch's first sample.

    Returns:
        The held values, NaN before the first known one of a stretch, and (n,) the index each was taken from.
    """
    rows = np.arange(len(values))
    if np.isfinite(values).all():
        return values, rows
    last_known = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1))
    starts = np.repeat(first_n, np.diff(np.append(first_n, len(values))))
    known = last_known >= starts
    return np.where(known, values[last_known], np.nan), np.where(known, last_known, rows)


def described(name: str, values: NDArray[np.float64], last_known: NDArray[np.int64], rate_hz: float) -> HeldCondition:
    """What was done to a condition whose values (n,) were held from the samples ``last_known`` (n,); see ``hold``."""
    distance = np.arange(len(values)) - last_known
    missing_n = int(np.count_nonzero(~np.isfinite(values)))
    held_n = int(np.count_nonzero(distance))
    return HeldCondition(name, held_n, missing_n - held_n, int(distance.max()) / rate_hz)
