"""A logarithmic axis that fits what it shows: its range in parts of a decade, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ground.console.plot import Axis

LEAST_SPAN: Final = 2.0
"""Highest over lowest: noise of a few per cent is not to look like a change."""
MOST_TICKS: Final = 8
_MARGIN: Final = 0.06
"""Of the height, above and below: no line lies on the frame."""
_STEPS: Final = (
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
"""Where ticks lie in a decade, the finest first."""
_FURTHEST: Final = 250
"""Decades from 1: scores come out of files, and may be any number that a float holds."""


def log_axis(label: str, unit: str, shown: Iterable[NDArray[np.float64]]) -> Axis:
    """The axis of values that are shown together.

    Args:
        label: Of what.
        unit: In what.
        shown: Values, thresholds among them; those that are no positive number have no place on it.

    Returns:
        All of them lie within its range, but for those that no chart is made for; without a range where there are none.
    """
    values = np.concatenate([np.asarray(each, dtype=np.float64) for each in shown])
    values = values[np.isfinite(values) & (values > 0.0)]
    if not len(values):
        return Axis(label=label, unit=unit, log=True)
    low, high = (float(np.clip(np.log10(edge), -_FURTHEST, _FURTHEST)) for edge in (values.min(), values.max()))
    margin = max(_MARGIN * (high - low), (math.log10(LEAST_SPAN) - (high - low)) / 2.0)
    low, high = low - margin, high + margin
    return Axis(label=label, unit=unit, log=True, range=(10.0**low, 10.0**high), ticks=_ticks(low, high))


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers between two powers of ten, as many as there is room for."""
    for steps in _STEPS:
        found = tuple(_between(low, high, steps, every=1))
        if len(found) <= MOST_TICKS:
            return found
    return tuple(_between(low, high, (1.0,), every=math.ceil((high - low) / MOST_TICKS)))


def _between(low: float, high: float, steps: Sequence[float], *, every: int) -> Iterator[float]:
    for decade in range(math.floor(low), math.ceil(high) + 1):
        for step in steps:
            if decade % every == 0 and low <= decade + math.log10(step) <= high:
                # As text, so that three tenths are 0.3.
                yield float(f"{step}e{decade}")
