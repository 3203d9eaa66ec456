"""A healthy flight as calibration sees it: its scores, and the one value that they come to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_VALUE = 0.0
"""Value of a flight too short to raise an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightScores:
    """The assessed windows of one flight, in time order.

    Attributes:
        group: What is independent of other groups: the unit, or the stretch of a recording.
        phases: (n,) flight phases.
        scores: (n,) float64, zero or more.
    """

    group: str
    phases: NDArray[np.str_]
    scores: NDArray[np.float64]


def persistent_values(ratios: NDArray[np.float64], *, k: int, n: int) -> NDArray[np.float64]:
    """What persistence makes of a flight: at each window the k-th largest of the last ``n`` ratios.

    It exceeds a level exactly where ``edge_agent.decision.Decider`` counts ``k`` of ``n`` above it.

    Args:
        ratios: (m,) scores over the scales of their phases, in time order, assessed windows only.
        k: Windows above the threshold that raise an alarm.
        n: Length of the memory.

    Returns:
        (m,) float64; ``-inf`` while fewer than ``k`` windows were seen.
    """
    if len(ratios) == 0:
        return np.zeros(0)
    unseen = np.full(n - 1, -np.inf)
    memories = np.lib.stride_tricks.sliding_window_view(np.concatenate([unseen, ratios]), n)
    return np.asarray(np.partition(memories, n - k, axis=1)[:, n - k])


def flight_value(ratios: NDArray[np.float64], *, k: int, n: int) -> float:
    """The largest of the ``persistent_values``; ``NO_VALUE`` for a flight of fewer than ``k`` windows."""
    return float(persistent_values(ratios, k=k, n=n).max()) if len(ratios) >= k else NO_VALUE
