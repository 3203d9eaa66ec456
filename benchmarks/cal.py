"""The calibration loop: the unit in which costs are told, because seconds say more about the machine than the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEGMENT_N = 4096
OVERLAP_N = SEGMENT_N // 2
SEGMENTS = 11
SECOND_N = 25_600

_SEED = 20_261_123


def make_cal() -> Callable[[], NDArray[np.float64]]:
    """The loop, with its signal and taper made beforehand: one call is one ``cal``.

    One ``cal`` is Welch's method over one second at 25.6 kHz: 11 segments of 4096 samples with a Hann taper and 50 %
    overlap, by numpy's float64 rfft; the means stay in. It is measured in thread CPU time, on one thread.
    """
    samples = np.random.default_rng(_SEED).standard_normal(SECOND_N)
    taper = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(SEGMENT_N) / SEGMENT_N)
    segments = sliding_window_view(samples, SEGMENT_N)[:: SEGMENT_N - OVERLAP_N][:SEGMENTS]

    scale = _one_sided_scale(taper)

    def cal() -> NDArray[np.float64]:
        """One-sided power spectral density, (2049,)."""
        lines = np.fft.rfft(segments * taper, axis=1)
        density: NDArray[np.float64] = np.add.reduce(lines.real * lines.real + lines.imag * lines.imag, axis=0) * scale
        return density

    return cal


def _one_sided_scale(taper: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = np.full(SEGMENT_N // 2 + 1, 2.0)
    scale[[0, -1]] = 1.0
    density: NDArray[np.float64] = scale / (SECOND_N * np.add.reduce(taper * taper) * SEGMENTS)
    return density
