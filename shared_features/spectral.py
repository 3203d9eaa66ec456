"""Spectral features of one window of one channel, read from its Welch density.

Moments of the density follow G. Peeters, "A large set of audio features for sound description" (CUIDADO, 2004), with
power (not magnitude) as weight. Rolloff is interpolated inside its line, so that a rounding never moves it by a line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import LINEAR, LOG, Feature, ratio
from shared_features.spec import band_name

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Lines:
    """The power of each spectral line of a window.

    Attributes:
        frequency_hz: (n_line,) centre of each line; the DC line is left out.
        power: (n_line,) mean square in each line, unit².
        total: Sum of ``power``.
        line_hz: Distance of two lines.
    """

    frequency_hz: NDArray[np.float64]
    power: NDArray[np.float64]
    total: float
    line_hz: float


class LineMaker:
    """Turns densities into ``Lines`` by the constants of one spec."""

    def __init__(self, spec: FeatureSpec) -> None:
        n = spec.spectrum.segment_n
        self._line_hz = spec.sampling_rate_hz / n
        self._frequency_hz: NDArray[np.float64] = np.arange(1, n // 2 + 1, dtype=np.float64) * self._line_hz

    def lines(self, psd: NDArray[np.float64]) -> Lines:
        """Lines of one window.

        Args:
            psd: (n_line + 1,) one-sided density with its DC line, unit²/Hz.
        """
        power = psd[1:] * self._line_hz
        return Lines(self._frequency_hz, power, _row_sum(power), self._line_hz)


def band_power(lines: Lines, first: int, last: int) -> float:
    """Mean square in the lines ``first`` to ``last - 1``."""
    return float(np.add.reduce(lines.power[first:last]))


def centroid(lines: Lines) -> float:
    """Power-weighted mean frequency."""
    return ratio(_row_sum(lines.power * lines.frequency_hz), lines.total)


def spread(lines: Lines) -> float:
    """Power-weighted standard deviation of the frequency."""
    deviation = lines.frequency_hz - centroid(lines)
    return math.sqrt(ratio(_row_sum(lines.power * (deviation * deviation)), lines.total))


def rolloff(lines: Lines, share: float) -> float:
    """Frequency below which ``share`` of the power lies, linear inside the line that reaches it."""
    if lines.total <= 0.0:
        return 0.0
    cumulated = np.cumsum(lines.power)
    target = share * float(cumulated[-1])
    index = int(np.searchsorted(cumulated, target))
    below = float(cumulated[index - 1]) if index else 0.0
    inside = ratio(target - below, float(lines.power[index]))
    return float(lines.frequency_hz[index]) + (inside - 0.5) * lines.line_hz


def flatness(lines: Lines) -> float:
    """Geometric over arithmetic mean of the line powers: 1 for flat, near 0 for tones (J. D. Johnston, 1988)."""
    mean = lines.total / lines.power.size
    return ratio(math.exp(_row_sum(np.log(np.maximum(lines.power, _TINY))) / lines.power.size), mean)


def entropy(lines: Lines) -> float:
    """Shannon entropy of the normalised line powers over its maximum ``log(n_line)``: 1 for white, 0 for one line."""
    if lines.total <= 0.0:
        return 0.0
    share = lines.power / lines.total
    return -_row_sum(share * np.log(np.maximum(share, _TINY))) / math.log(share.size)


def spectral_features(spec: FeatureSpec) -> tuple[Feature[Lines], ...]:
    """The features of the spectrum group, bands first."""
    line_hz = spec.sampling_rate_hz / spec.spectrum.segment_n
    bands = tuple(_band_feature(low_hz, high_hz, line_hz) for low_hz, high_hz in spec.spectrum.bands_hz)
    share = spec.spectrum.rolloff
    return (
        *bands,
        Feature("centroid", "Hz", LOG, "sum(f p) / sum(p)", centroid),
        Feature("spread", "Hz", LOG, "sqrt(sum((f - centroid)^2 p) / sum(p))", spread),
        Feature("rolloff", "Hz", LOG, f"f where cumsum(p) = {share} sum(p)", partial(rolloff, share=share)),
        Feature("flatness", "1", LOG, "exp(mean(log(p))) / mean(p)", flatness),
        Feature("entropy", "1", LINEAR, "-sum(q log(q)) / log(n), q = p / sum(p)", entropy),
    )


def _band_feature(low_hz: float, high_hz: float, line_hz: float) -> Feature[Lines]:
    # Lines start at line_hz (no DC): line i has the centre (i + 1) * line_hz and belongs to the band that holds it.
    first = max(math.ceil(low_hz / line_hz - 1e-9) - 1, 0)
    last = math.ceil(high_hz / line_hz - 1e-9) - 1
    return Feature(
        band_name(low_hz, high_hz),
        "{u}²",
        LOG,
        "sum(psd) df over the band",
        partial(band_power, first=first, last=last),
    )


def _row_sum(x: NDArray[np.float64]) -> float:
    return float(np.add.reduce(x))
