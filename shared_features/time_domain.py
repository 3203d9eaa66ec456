"""Time-domain features of the windows of one channel.

Factors (crest, shape, impulse, clearance) are those of the signal about its mean, because an accelerometer's bias says
nothing about the machine; with zero mean they are the textbook ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared_features.feature import LINEAR, LOG, Feature, ratio
from shared_features.fold import Fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ISO = "ISO 13373-1"
_LEI = "Lei et al., Mech. Syst. Signal Process. 22 (2008) 419, table 1"
_PEARSON = "K. Pearson, Biometrika 4 (1905) 169"
_KEDEM = "B. Kedem, Proc. IEEE 74 (1986) 1477"


def mean(window: Fold) -> NDArray[np.float64]:
    """Arithmetic mean."""
    return window.mean


def std(window: Fold) -> NDArray[np.float64]:
    """Standard deviation, population form (divided by n)."""
    return np.sqrt(window.m2 / window.n)


def rms(window: Fold) -> NDArray[np.float64]:
    """Root mean square, the mean included."""
    return np.sqrt(window.m2 / window.n + window.mean * window.mean)


def peak(window: Fold) -> NDArray[np.float64]:
    """Largest distance from the mean."""
    return np.maximum(window.high - window.mean, window.mean - window.low)


def peak_to_peak(window: Fold) -> NDArray[np.float64]:
    """Largest minus smallest sample."""
    return window.high - window.low


def crest_factor(window: Fold) -> NDArray[np.float64]:
    """Peak over standard deviation; sqrt(2) for a sine."""
    return ratio(peak(window), std(window))


def kurtosis(window: Fold) -> NDArray[np.float64]:
    """Fourth standardised moment (not excess): 3 for Gaussian noise, 1.5 for a sine."""
    return ratio(window.n * window.m4, window.m2 * window.m2)


def skewness(window: Fold) -> NDArray[np.float64]:
    """Third standardised moment."""
    return ratio(window.m3 * np.sqrt(float(window.n)), window.m2 * np.sqrt(window.m2))


def shape_factor(window: Fold) -> NDArray[np.float64]:
    """Standard deviation over mean magnitude; pi / (2 sqrt(2)) for a sine."""
    return ratio(std(window), _mean_magnitude(window))


def impulse_factor(window: Fold) -> NDArray[np.float64]:
    """Peak over mean magnitude; pi / 2 for a sine."""
    return ratio(peak(window), _mean_magnitude(window))


def clearance_factor(window: Fold) -> NDArray[np.float64]:
    """Peak over the squared mean of root magnitudes."""
    root = window.sqrt_abs_sum / window.n
    return ratio(peak(window), root * root)


def crossing_share(window: Fold) -> NDArray[np.float64]:
    """Share of sample steps that cross the record's mean; twice the frequency over the sampling rate for a sine."""
    return window.crossings / max(window.steps, 1)


def _mean_magnitude(window: Fold) -> NDArray[np.float64]:
    return window.abs_sum / window.n


_CROSSINGS = "count(sign(x[i] - mean) != sign(x[i-1] - mean)) / steps"

TIME_FEATURES: tuple[Feature[Fold], ...] = (
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
