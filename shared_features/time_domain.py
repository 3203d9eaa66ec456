"""Time-domain features of the windows of one channel.

Factors (crest, shape, impulse, clearance) are those of the signal about its mean, because an accelerometer's bias says
nothing about the machine; with zero mean they are the textbook ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import LINEAR, LOG, Feature, ratio
from shared_features.fold import Fold

_ISO = "ISO 13373-1"
_LEI = "Lei et al., Mech. Syst. Signal Process. 22 (2008) 419, table 1"
_PEARSON = "K. Pearson, Biometrika 4 (1905) 169"
_KEDEM = "B. Kedem, Proc. IEEE 74 (1986) 1477"


@dataclass(frozen=True, slots=True)
class Levels:
    """A window's fold, and the levels that most features are made of, (n_window,) each, in the unit of the channel."""

    fold: Fold
    std: NDArray[np.float64]
    peak: NDArray[np.float64]
    mean_magnitude: NDArray[np.float64]


def levels_of(fold: Fold) -> Levels:
    """The levels of some windows."""
    std = np.sqrt(fold.m2 / fold.n)
    peak = np.maximum(fold.high - fold.mean, fold.mean - fold.low)
    return Levels(fold, std, peak, fold.abs_sum / fold.n)


def mean(levels: Levels) -> NDArray[np.float64]:
    """Arithmetic mean."""
    return levels.fold.mean


def std(levels: Levels) -> NDArray[np.float64]:
    """Standard deviation, population form (divided by n)."""
    return levels.std


def rms(levels: Levels) -> NDArray[np.float64]:
    """Root mean square, the mean included."""
    fold = levels.fold
    return np.asarray(np.sqrt(fold.m2 / fold.n + fold.mean * fold.mean))


def peak(levels: Levels) -> NDArray[np.float64]:
    """Largest distance from the mean."""
    return levels.peak


def peak_to_peak(levels: Levels) -> NDArray[np.float64]:
    """Largest minus smallest sample."""
    return levels.fold.high - levels.fold.low


def crest_factor(levels: Levels) -> NDArray[np.float64]:
    """Peak over standard deviation; sqrt(2) for a sine."""
    return ratio(levels.peak, levels.std)


def kurtosis(levels: Levels) -> NDArray[np.float64]:
    """Fourth standardised moment (not excess): 3 for Gaussian noise, 1.5 for a sine."""
    fold = levels.fold
    return ratio(fold.n * fold.m4, fold.m2 * fold.m2)


def skewness(levels: Levels) -> NDArray[np.float64]:
    """Third standardised moment."""
    fold = levels.fold
    return ratio(fold.m3, fold.m2 * levels.std)


def shape_factor(levels: Levels) -> NDArray[np.float64]:
    """Standard deviation over mean magnitude; pi / (2 sqrt(2)) for a sine."""
    return ratio(levels.std, levels.mean_magnitude)


def impulse_factor(levels: Levels) -> NDArray[np.float64]:
    """Peak over mean magnitude; pi / 2 for a sine."""
    return ratio(levels.peak, levels.mean_magnitude)


def clearance_factor(levels: Levels) -> NDArray[np.float64]:
    """Peak over the squared mean of root magnitudes."""
    root = levels.fold.sqrt_abs_sum / levels.fold.n
    return ratio(levels.peak, root * root)


def crossing_share(levels: Levels) -> NDArray[np.float64]:
    """Share of sample steps that cross the record's mean; twice the frequency over the sampling rate for a sine."""
    return levels.fold.crossings / max(levels.fold.steps, 1)


_CROSSINGS = "count(sign(x[i] - mean) != sign(x[i-1] - mean)) / steps"

TIME_FEATURES: tuple[Feature[Levels], ...] = (
    Feature("mean", "{u}", LINEAR, "sum(x) / n", _ISO, mean),
    Feature("std", "{u}", LOG, "sqrt(sum((x - mean)^2) / n)", _ISO, std),
    Feature("rms", "{u}", LOG, "sqrt(sum(x^2) / n)", _ISO, rms),
    Feature("peak", "{u}", LOG, "max(|x - mean|)", _ISO, peak),
    Feature("peak_to_peak", "{u}", LOG, "max(x) - min(x)", _ISO, peak_to_peak),
    Feature("crest_factor", "1", LOG, "peak / std", _ISO, crest_factor),
    Feature("kurtosis", "1", LOG, "n sum((x - mean)^4) / sum((x - mean)^2)^2", _PEARSON, kurtosis),
    Feature("skewness", "1", LINEAR, "sqrt(n) sum((x - mean)^3) / sum((x - mean)^2)^1.5", _PEARSON, skewness),
    Feature("shape_factor", "1", LOG, "std / mean(|x - mean|)", _LEI, shape_factor),
    Feature("impulse_factor", "1", LOG, "peak / mean(|x - mean|)", _LEI, impulse_factor),
    Feature("clearance_factor", "1", LOG, "peak / mean(sqrt(|x - mean|))^2", _LEI, clearance_factor),
    Feature("crossing_share", "1", LINEAR, _CROSSINGS, _KEDEM, crossing_share),
)
