"""Time-domain features of one window of one channel.

Factors (crest, shape, impulse, clearance) are those of the signal about its mean, because an accelerometer's bias says
nothing about the machine; with zero mean they are the textbook ones. Sources: ISO 13373-1 (peak, RMS, crest factor);
Y. Lei et al., Mechanical Systems and Signal Processing 22 (2008) 419-435, table 1 (the dimensionless factors).
"""

from __future__ import annotations

import math

from shared_features.feature import LINEAR, LOG, Feature, ratio
from shared_features.fold import Fold


def mean(window: Fold) -> float:
    """Arithmetic mean."""
    return window.moments.mean


def std(window: Fold) -> float:
    """Standard deviation, population form (divided by n)."""
    return math.sqrt(window.moments.m2 / window.moments.n)


def rms(window: Fold) -> float:
    """Root mean square, the mean included."""
    moments = window.moments
    return math.sqrt(moments.m2 / moments.n + moments.mean * moments.mean)


def peak(window: Fold) -> float:
    """Largest distance from the mean."""
    return max(window.high - window.moments.mean, window.moments.mean - window.low)


def peak_to_peak(window: Fold) -> float:
    """Largest minus smallest sample."""
    return window.high - window.low


def crest_factor(window: Fold) -> float:
    """Peak over standard deviation; sqrt(2) for a sine."""
    return ratio(peak(window), std(window))


def kurtosis(window: Fold) -> float:
    """Fourth standardised moment (not excess): 3 for Gaussian noise, 1.5 for a sine."""
    moments = window.moments
    return ratio(moments.n * moments.m4, moments.m2 * moments.m2)


def skewness(window: Fold) -> float:
    """Third standardised moment."""
    moments = window.moments
    return ratio(moments.m3 * math.sqrt(moments.n), moments.m2 * math.sqrt(moments.m2))


def shape_factor(window: Fold) -> float:
    """Standard deviation over mean magnitude; pi / (2 sqrt(2)) for a sine."""
    return ratio(std(window), _mean_magnitude(window))


def impulse_factor(window: Fold) -> float:
    """Peak over mean magnitude; pi / 2 for a sine."""
    return ratio(peak(window), _mean_magnitude(window))


def clearance_factor(window: Fold) -> float:
    """Peak over the squared mean of root magnitudes."""
    root = window.sqrt_abs_sum / window.moments.n
    return ratio(peak(window), root * root)


def crossing_share(window: Fold) -> float:
    """Share of sample steps that cross the record's mean; twice the frequency over the sampling rate for a sine."""
    return ratio(float(window.crossings), float(window.crossing_steps))


def _mean_magnitude(window: Fold) -> float:
    return window.abs_sum / window.moments.n


TIME_FEATURES: tuple[Feature[Fold], ...] = (
    Feature("mean", "{u}", LINEAR, "sum(x) / n", mean),
    Feature("std", "{u}", LOG, "sqrt(sum((x - mean)^2) / n)", std),
    Feature("rms", "{u}", LOG, "sqrt(sum(x^2) / n)", rms),
    Feature("peak", "{u}", LOG, "max(|x - mean|)", peak),
    Feature("peak_to_peak", "{u}", LOG, "max(x) - min(x)", peak_to_peak),
    Feature("crest_factor", "1", LOG, "peak / std", crest_factor),
    Feature("kurtosis", "1", LOG, "n sum((x - mean)^4) / sum((x - mean)^2)^2", kurtosis),
    Feature("skewness", "1", LINEAR, "sqrt(n) sum((x - mean)^3) / sum((x - mean)^2)^1.5", skewness),
    Feature("shape_factor", "1", LOG, "std / mean(|x - mean|)", shape_factor),
    Feature("impulse_factor", "1", LOG, "peak / mean(|x - mean|)", impulse_factor),
    Feature("clearance_factor", "1", LOG, "peak / mean(sqrt(|x - mean|))^2", clearance_factor),
    Feature("crossing_share", "1", LINEAR, "count(sign(x[i] - mean) != sign(x[i-1] - mean)) / steps", crossing_share),
)
