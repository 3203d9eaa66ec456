"""The strongest spectral lines of some windows, found between the lines of the transform.

A line's frequency is interpolated from the two highest neighbouring lines by the ratio of their amplitudes, which is
exact for one steady tone under a Hann taper (T. Grandke, IEEE Trans. Instrum. Meas. 32 (1983) 350).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import TINY

_LOBE_N = 2
"""Lines on either side of a peak that hold a steady tone's power: all but 0.1 % of it."""


def dominant_peaks(power: NDArray[np.float64], n_peak: int) -> NDArray[np.float64]:
    """Find the strongest lines of one window.

    Args:
        power: (n_line,) power of each line, from line 1 on.
        n_peak: How many. Of equal ones the lowest comes first; where there are fewer peaks, line 1 stands in.

    Returns:
        (2, n_peak) line numbers, between lines where the tone is, and powers of the tones.
    """
    found = np.empty((2, n_peak))
    if n_peak:
        walled = np.concatenate([[0.0], power, [0.0]])
        is_peak = (power > walled[:-2]) & (power >= walled[2:])
        heights = np.where(is_peak, power, -1.0)
        for rank in range(n_peak):
            line = int(heights.argmax()) + 1
            heights[line - 1] = -1.0
            found[0, rank] = line + _offset(*walled[line - 1 : line + 2].tolist())
            found[1, rank] = np.add.reduce(walled[max(line - _LOBE_N, 0) : line + _LOBE_N + 1])
    return found


def _offset(below: float, at: float, above: float) -> float:
    """How far the tone lies from a line, -0.5 to 0.5 lines, by its power and that of its neighbours."""
    amplitude_ratio = math.sqrt(max(below, above) / max(at, TINY))
    offset = min(max((2.0 * amplitude_ratio - 1.0) / (amplitude_ratio + 1.0), -0.5), 0.5)
    return offset if above >= below else -offset
