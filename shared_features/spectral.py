"""Spectral features of the windows of one channel, read from their Welch densities.

Power (not magnitude) is the weight of every moment of the density. Rolloff and dominant lines are interpolated between
lines, so that a rounding never moves them by a whole line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.dominant import Peaks, dominant_peaks
from shared_features.feature import LINEAR, LOG, Feature, ratio
from shared_features.spec import band_name

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_TINY = 1e-300
_WELCH = "P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70"
_PEETERS = "G. Peeters, CUIDADO report (2004), 6.1"
_JOHNSTON = "J. D. Johnston, IEEE J. Sel. Areas Commun. 6 (1988) 314"
_GRANDKE = "T. Grandke, IEEE Trans. Instrum. Meas. 32 (1983) 350"
_SHANNON = "C. E. Shannon, Bell Syst. Tech. J. 27 (1948) 379"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The powers of the spectral lines of some windows, and what several features share.

    Attributes:
        power: (n_window, n_line) mean square in each line, unit², from line 1 on: the DC line is left out.
        total: (n_window,) sum of ``power``.
        cumulated: (n_window, n_line) its running sum.
        bands: (n_window, n_band) its sums over the spec's bands.
        log_sum: (n_window,) sum of the logarithms of the lines' powers.
        power_log_sum: (n_window,) sum of powers times their logarithms.
        first: (n_window,) power-weighted sum of the line numbers, from 1 on.
        second: (n_window,) power-weighted sum of their squares.
        peaks: The strongest lines.
        line_hz: Distance of two lines.
    """

    power: NDArray[np.float64]
    total: NDArray[np.float64]
    cumulated: NDArray[np.float64]
    bands: NDArray[np.float64]
    log_sum: NDArray[np.float64]
    power_log_sum: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    peaks: Peaks
    line_hz: float


class LineMaker:
    """Turns densities into ``Lines`` by the constants of one spec."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._line_hz = spec.line_hz
        self._number: NDArray[np.float64] = np.arange(1, spec.spectrum.segment_n // 2 + 1, dtype=np.float64)
        self._square = self._number * self._number
        self._dominant_n = spec.spectrum.dominant_n
        bands = [_band_lines(low_hz, high_hz, spec.line_hz) for low_hz, high_hz in spec.spectrum.bands_hz]
        self._borders = np.array([border for band in bands for border in band], dtype=np.intp)

    def lines(self, psd: NDArray[np.float64]) -> Lines:
        """Lines of some windows.

        Args:
            psd: (n_window, n_line + 1) one-sided densities with their DC lines, unit²/Hz.
        """
        # The DC line goes to the end and is zero there: a band may end behind the last line.
        padded = np.zeros_like(psd)
        power = padded[:, :-1]
        np.multiply(psd[:, 1:], self._line_hz, out=power)
        logarithm = np.log(np.maximum(power, _TINY))
        power_logarithm = power * logarithm
        cumulated = np.add.accumulate(power, axis=1)
        return Lines(
            power=power,
            total=cumulated[:, -1],
            cumulated=cumulated,
            bands=self._band_sums(padded),
            log_sum=np.add.reduce(logarithm, axis=1),
            power_log_sum=np.add.reduce(power_logarithm, axis=1),
            first=np.add.reduce(power * self._number, axis=1),
            second=np.add.reduce(power * self._square, axis=1),
            peaks=dominant_peaks(power, self._dominant_n),
            line_hz=self._line_hz,
        )

    def _band_sums(self, padded: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._borders.size:
            return np.zeros((len(padded), 0))
        return np.asarray(np.add.reduceat(padded, self._borders, axis=1)[:, ::2])


def band_power(lines: Lines, index: int) -> NDArray[np.float64]:
    """Mean square in band ``index`` of the spec."""
    return lines.bands[:, index]


def centroid(lines: Lines) -> NDArray[np.float64]:
    """Power-weighted mean frequency."""
    return ratio(lines.first, lines.total) * lines.line_hz


def spread(lines: Lines) -> NDArray[np.float64]:
    """Power-weighted standard deviation of the frequency."""
    mean = ratio(lines.first, lines.total)
    return np.sqrt(np.maximum(ratio(lines.second, lines.total) - mean * mean, 0.0)) * lines.line_hz


def rolloff(lines: Lines, share: float) -> NDArray[np.float64]:
    """Frequency below which ``share`` of the power lies, linear inside the line that reaches it."""
    target = share * lines.total
    index = np.count_nonzero(lines.cumulated < target[:, np.newaxis], axis=1)[:, np.newaxis]
    reached = np.take_along_axis(lines.cumulated, index, axis=1)[:, 0]
    power = np.take_along_axis(lines.power, index, axis=1)[:, 0]
    # Line ``index`` is centred at ``index + 1`` lines: it is full half a line above that.
    inside = ratio(reached - target, power)
    number = index[:, 0] + 1.5 - inside
    return np.where(lines.total > 0.0, number, 0.0) * lines.line_hz


def flatness(lines: Lines) -> NDArray[np.float64]:
    """Geometric over arithmetic mean of the line powers: 1 for flat, near 0 for tones."""
    n = lines.power.shape[1]
    return ratio(np.exp(lines.log_sum / n), lines.total / n)


def entropy(lines: Lines) -> NDArray[np.float64]:
    """Shannon entropy of the normalised line powers over its maximum ``log(n_line)``: 1 for white, 0 for one line."""
    nats = np.log(np.maximum(lines.total, _TINY)) - ratio(lines.power_log_sum, lines.total)
    return np.where(lines.total > 0.0, nats, 0.0) / math.log(lines.power.shape[1])


def dominant_hz(lines: Lines, rank: int) -> NDArray[np.float64]:
    """Frequency of the strongest line but ``rank``, interpolated between lines."""
    return lines.peaks.number[:, rank] * lines.line_hz


def dominant_rms(lines: Lines, rank: int) -> NDArray[np.float64]:
    """RMS of the tone in the strongest line but ``rank``."""
    return np.sqrt(lines.peaks.power[:, rank])


def spectral_features(spec: FeatureSpec) -> tuple[Feature[Lines], ...]:
    """The features of the spectrum group, bands first."""
    share = spec.spectrum.rolloff
    return (
        *(
            Feature(
                band_name(*band), "{u}²", LOG, "sum(psd) df over the band", _WELCH, partial(band_power, index=index)
            )
            for index, band in enumerate(spec.spectrum.bands_hz)
        ),
        Feature("centroid", "Hz", LOG, "sum(f p) / sum(p)", _PEETERS, centroid),
        Feature("spread", "Hz", LOG, "sqrt(sum((f - centroid)^2 p) / sum(p))", _PEETERS, spread),
        Feature("rolloff", "Hz", LOG, f"f where cumsum(p) = {share} sum(p)", _PEETERS, partial(rolloff, share=share)),
        Feature("flatness", "1", LOG, "exp(mean(log(p))) / mean(p)", _JOHNSTON, flatness),
        Feature("entropy", "1", LINEAR, "-sum(q log(q)) / log(n), q = p / sum(p)", _SHANNON, entropy),
        *(feature for rank in range(spec.spectrum.dominant_n) for feature in _dominant_features(rank)),
    )


def _dominant_features(rank: int) -> tuple[Feature[Lines], Feature[Lines]]:
    name = f"dominant_{rank + 1}"
    return (
        Feature(f"{name}_hz", "Hz", LOG, "f of the line, interpolated", _GRANDKE, partial(dominant_hz, rank=rank)),
        Feature(
            f"{name}_rms", "{u}", LOG, "sqrt(sum(p)) of its five lines", _GRANDKE, partial(dominant_rms, rank=rank)
        ),
    )


def _band_lines(low_hz: float, high_hz: float, line_hz: float) -> tuple[int, int]:
    """First line of a band and the one after its last: line ``i`` has the centre ``(i + 1) line_hz``."""
    first = max(math.ceil(low_hz / line_hz - 1e-9) - 1, 0)
    return first, math.ceil(high_hz / line_hz - 1e-9) - 1
