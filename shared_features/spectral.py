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

from shared_features.dominant import dominant_peaks
from shared_features.feature import LINEAR, LOG, TINY, Feature, ratio
from shared_features.scratch import floats
from shared_features.spec import band_name

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

_WELCH = "P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70"
_PEETERS = "G. Peeters, CUIDADO report (2004), 6.1"
_JOHNSTON = "J. D. Johnston, IEEE J. Sel. Areas Commun. 6 (1988) 314"
_GRANDKE = "T. Grandke, IEEE Trans. Instrum. Meas. 32 (1983) 350"
_SHANNON = "C. E. Shannon, Bell Syst. Tech. J. 27 (1948) 379"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What the features read from the spectral lines of some windows; line ``k`` is at ``k line_hz``, DC left out.

    Attributes:
        bands: (n_window, n_band) power in the spec's bands, unit².
        total: (n_window,) power of all lines, unit².
        log_sum: (n_window,) sum of the logarithms of the lines' powers.
        power_log_sum: (n_window,) sum of powers times their logarithms.
        first: (n_window,) power-weighted sum of the line numbers.
        second: (n_window,) power-weighted sum of their squares.
        rolloff: (n_window,) line number below which the spec's share of the power lies, between lines.
        peak_number: (n_window, n_peak) line numbers of the strongest lines, between lines.
        peak_power: (n_window, n_peak) their powers, unit².
        n_line: Lines.
        line_hz: Distance of two lines.
    """

    bands: NDArray[np.float64]
    total: NDArray[np.float64]
    log_sum: NDArray[np.float64]
    power_log_sum: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    rolloff: NDArray[np.float64]
    peak_number: NDArray[np.float64]
    peak_power: NDArray[np.float64]
    n_line: int
    line_hz: float


class LineMaker:
    """Turns densities into ``Lines`` by one spec; holds scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        n_line = spec.spectrum.segment_n // 2
        self._line_hz = spec.line_hz
        self._share = spec.spectrum.rolloff
        self._n_peak = spec.spectrum.dominant_n
        self._number: NDArray[np.float64] = np.arange(1, n_line + 1, dtype=np.float64)
        self._square = self._number * self._number
        bands = [_band_lines(low_hz, high_hz, spec.line_hz) for low_hz, high_hz in spec.spectrum.bands_hz]
        self._borders = np.array([border for band in bands for border in band], dtype=np.intp)
        # One zero behind the last line, where the last band may end.
        self._padded = np.zeros(n_line + 1)
        self._power = self._padded[:-1]
        self._scratch = floats(n_line)
        self._logarithm = floats(n_line)

    def lines(self, psd: NDArray[np.float64]) -> Lines:
        """Lines of some windows.

        Args:
            psd: (n_window, n_line + 1) one-sided densities with their DC lines, unit²/Hz.
        """
        bands = np.empty((len(psd), self._borders.size // 2))
        sums = np.empty((6, len(psd)))
        peaks = np.empty((2, len(psd), self._n_peak))
        # One window after the other: its lines stay in the fastest cache.
        for window, density in enumerate(psd):
            np.multiply(density[1:], self._line_hz, out=self._power)
            bands[window] = self._band_sums()
            sums[:, window] = self._sums()
            peaks[:, window] = dominant_peaks(self._power, self._n_peak)
        total, log_sum, power_log_sum, first, second, rolloff = sums
        return Lines(
            bands=bands,
            total=total,
            log_sum=log_sum,
            power_log_sum=power_log_sum,
            first=first,
            second=second,
            rolloff=rolloff,
            peak_number=peaks[0],
            peak_power=peaks[1],
            n_line=len(self._power),
            line_hz=self._line_hz,
        )

    def _band_sums(self) -> NDArray[np.float64]:
        if not self._borders.size:
            return np.zeros(0)
        return np.asarray(np.add.reduceat(self._padded, self._borders)[::2])

    def _sums(self) -> tuple[float, float, float, float, float, float]:
        """Total, log_sum, power_log_sum, first, second and rolloff of one window."""
        power, scratch, logarithm = self._power, self._scratch, self._logarithm
        np.log(np.maximum(power, TINY, out=logarithm), out=logarithm)
        log_sum = np.add.reduce(logarithm)
        power_log_sum = np.add.reduce(np.multiply(power, logarithm, out=logarithm))
        first = np.add.reduce(np.multiply(power, self._number, out=scratch))
        second = np.add.reduce(np.multiply(power, self._square, out=scratch))
        cumulated = np.add.accumulate(power, out=scratch)
        total = cumulated[-1]
        return total, log_sum, power_log_sum, first, second, self._rolloff(cumulated, self._share * total)

    def _rolloff(self, cumulated: NDArray[np.float64], target: float) -> float:
        if target <= 0.0:
            return 0.0
        index = int(cumulated.searchsorted(target))
        power = float(self._power[index])
        # Line ``index + 1`` is full half a line above its centre, and filled evenly below that.
        return index + 1.5 - (float(cumulated[index]) - target) / max(power, TINY)


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


def rolloff(lines: Lines) -> NDArray[np.float64]:
    """Frequency below which a share of the power lies, linear inside the line that reaches it."""
    return lines.rolloff * lines.line_hz


def flatness(lines: Lines) -> NDArray[np.float64]:
    """Geometric over arithmetic mean of the line powers: 1 for flat, near 0 for tones, 0 for silence."""
    mean = ratio(np.exp(lines.log_sum / lines.n_line), lines.total / lines.n_line)
    return np.where(lines.total > 0.0, mean, 0.0)


def entropy(lines: Lines) -> NDArray[np.float64]:
    """Shannon entropy of the normalised powers over ``log(n_line)``: 1 for white, 0 for one line or none."""
    nats = np.log(np.maximum(lines.total, TINY)) - ratio(lines.power_log_sum, lines.total)
    return np.where(lines.total > 0.0, nats, 0.0) / math.log(lines.n_line)


def dominant_hz(lines: Lines, rank: int) -> NDArray[np.float64]:
    """Frequency of the strongest line but ``rank``, interpolated between lines."""
    return lines.peak_number[:, rank] * lines.line_hz


def dominant_rms(lines: Lines, rank: int) -> NDArray[np.float64]:
    """RMS of the tone in the strongest line but ``rank``."""
    return np.sqrt(lines.peak_power[:, rank])


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
        Feature("rolloff", "Hz", LOG, f"f where cumsum(p) = {share} sum(p)", _PEETERS, rolloff),
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
