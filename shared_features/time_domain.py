"""Time-domain features of a window of one channel.

Factors (crest, shape, impulse, clearance) are those of the signal about its mean, because an accelerometer's bias says
nothing about the machine; with zero mean they are the textbook ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shared_features.feature import LINEAR, LOG, Feature, ratio

if TYPE_CHECKING:
    from shared_features.fold import Fold

_ISO = "ISO 13373-1"
_LEI = "Lei et al., Mech. Syst. Signal Process. 22 (2008) 419, table 1"
_PEARSON = "K. Pearson, Biometrika 4 (1905) 169"
_KEDEM = "B. Kedem, Proc. IEEE 74 (1986) 1477"


_CROSSINGS = "count(sign(x[i] - mean) != sign(x[i-1] - mean)) / steps"

TIME_FEATURES: tuple[Feature, ...] = (
    Feature("mean", "{u}", LINEAR, "sum(x) / n", _ISO),
    Feature("std", "{u}", LOG, "sqrt(sum((x - mean)^2) / n)", _ISO),
    Feature("rms", "{u}", LOG, "sqrt(sum(x^2) / n)", _ISO),
    Feature("peak", "{u}", LOG, "max(|x - mean|)", _ISO),
    Feature("peak_to_peak", "{u}", LOG, "max(x) - min(x)", _ISO),
    Feature("crest_factor", "1", LOG, "peak / std", _ISO),
    Feature("kurtosis", "1", LOG, "n sum((x - mean)^4) / sum((x - mean)^2)^2", _PEARSON),
    Feature("skewness", "1", LINEAR, "sqrt(n) sum((x - mean)^3) / sum((x - mean)^2)^1.5", _PEARSON),
    Feature("shape_factor", "1", LOG, "std / mean(|x - mean|)", _LEI),
    Feature("impulse_factor", "1", LOG, "peak / mean(|x - mean|)", _LEI),
    Feature("clearance_factor", "1", LOG, "peak / mean(sqrt(|x - mean|))^2", _LEI),
    Feature("crossing_share", "1", LINEAR, _CROSSINGS, _KEDEM),
)


def time_values(fold: Fold) -> tuple[float, ...]:
    """The time features of a window, one for each of ``TIME_FEATURES``.

    A sine has crest factor sqrt(2), kurtosis 1.5, shape factor pi / (2 sqrt(2)), impulse factor pi / 2 and, as crossing
    share, twice its frequency over the sampling rate; Gaussian noise has kurtosis 3, which is not the excess.
    """
    wave, n = fold.waveform, fold.n
    variance = wave.m2 / n
    std = math.sqrt(variance)
    peak = max(wave.high - wave.mean, wave.mean - wave.low)
    magnitude = wave.abs_sum / n
    root = wave.sqrt_abs_sum / n
    return (
        wave.mean,
        std,
        math.sqrt(variance + wave.mean * wave.mean),
        peak,
        wave.high - wave.low,
        ratio(peak, std),
        ratio(n * wave.m4, wave.m2 * wave.m2),
        ratio(wave.m3, wave.m2 * std),
        ratio(std, magnitude),
        ratio(peak, magnitude),
        ratio(peak, root * root),
        wave.crossings / max(fold.steps, 1),
    )
