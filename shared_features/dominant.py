"""The strongest spectral lines of some windows, found between the lines of the transform.

A line's frequency is interpolated from the two highest neighbouring lines by the ratio of their amplitudes, which is
exact for one steady tone under a Hann taper (T. Grandke, IEEE Trans. Instrum. Meas. 32 (1983) 350).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import ratio

_LOBE = 2
"""Lines on either side of a peak that hold a steady tone's power: all but 0.1 % of it."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The strongest lines, strongest first.

    Attributes:
        number: (n_window, n_peak) position in lines, from the DC line on, between two lines where the tone is.
        power: (n_window, n_peak) mean square of the tone, unit².
    """

    number: NDArray[np.float64]
    power: NDArray[np.float64]


def dominant_peaks(power: NDArray[np.float64], n_peak: int) -> Peaks:
    """Find the strongest lines.

    Args:
        power: (n_window, n_line) power of each line, without the DC line.
        n_peak: How many. Of equal ones the lowest comes first; where there are fewer peaks, the lowest line stands in.
    """
    number = np.empty((len(power), n_peak))
    level = np.empty((len(power), n_peak))
    if n_peak:
        walled = np.zeros((len(power), power.shape[1] + 2))
        walled[:, 1:-1] = power
        middle = walled[:, 1:-1]
        is_peak = (middle > walled[:, :-2]) & (middle >= walled[:, 2:])
        heights = np.where(is_peak, power, -1.0)
        windows = np.arange(len(power))
        for rank in range(n_peak):
            index = heights.argmax(axis=1)
            heights[windows, index] = -1.0
            number[:, rank] = index + 1.0 + _offset(walled, windows, index + 1)
            level[:, rank] = _lobe_power(walled, windows, index + 1)
    return Peaks(number, level)


def _offset(walled: NDArray[np.float64], windows: NDArray[np.intp], index: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far the tone lies from line ``index``, -0.5 to 0.5 lines."""
    below, above = walled[windows, index - 1], walled[windows, index + 1]
    amplitude_ratio = np.sqrt(ratio(np.maximum(below, above), walled[windows, index]))
    offset = (2.0 * amplitude_ratio - 1.0) / (amplitude_ratio + 1.0)
    return np.clip(np.where(above >= below, offset, -offset), -0.5, 0.5)


def _lobe_power(walled: NDArray[np.float64], windows: NDArray[np.intp], index: NDArray[np.intp]) -> NDArray[np.float64]:
    last = walled.shape[1] - 1
    power = np.zeros(len(windows))
    for step in range(-_LOBE, _LOBE + 1):
        power += walled[windows, np.clip(index + step, 0, last)]
    return power
