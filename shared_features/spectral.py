"""Spectral features of a window of one channel, read from its Welch density.

Power (not magnitude) is the weight of every moment of the density. Rolloff and dominant lines are interpolated between
lines, so that a rounding never moves them by a whole line.
"""

from __future__ import annotations

import math
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


class SpectrumMaker:
    """Reads densities by the constants of one spec; holds scratch memory, so one maker serves one thread.

    Line ``k`` is at ``k line_hz``; DC is left out.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        n_line = spec.spectrum.segment_n // 2
        self._n_line = n_line
        self._line_hz = spec.line_hz
        self._share = spec.spectrum.rolloff
        self._n_peak = spec.spectrum.dominant_n
        self._number, self._square = floats(2, n_line)
        self._number[:] = np.arange(1, n_line + 1)
        np.multiply(self._number, self._number, out=self._square)
        bands = [_band_lines(low_hz, high_hz, spec.line_hz) for low_hz, high_hz in spec.spectrum.bands_hz]
        self._borders = np.array([border for band in bands for border in band], dtype=np.intp)
        # One zero behind the last line, where the last band may end.
        self._padded = floats(n_line + 1)
        self._padded[-1] = 0.0
        self._power = self._padded[:-1]
        self._rows = floats(4, n_line)
        self._cumulated = floats(n_line)

    def values(self, psd: NDArray[np.float64]) -> list[float]:
        """The features of a window, one for each of ``spectral_features``.

        Args:
            psd: (n_line + 1,) one-sided density with its DC line, unit²/Hz.
        """
        return [*self.band_powers(psd), *self._shape(), *self._dominant()]

    def band_powers(self, psd: NDArray[np.float64]) -> list[float]:
        """Power in each of the spec's bands, unit², of a density as for ``values``."""
        np.multiply(psd[1:], self._line_hz, out=self._power)
        if not self._borders.size:
            return []
        powers: list[float] = np.add.reduceat(self._padded, self._borders)[::2].tolist()
        return powers

    def _shape(self) -> tuple[float, float, float, float, float]:
        """Centroid, spread, rolloff, flatness and entropy of one window."""
        log_sum, power_log_sum, first, second = self._sums()
        cumulated = np.add.accumulate(self._power, out=self._cumulated)
        total = float(cumulated[-1])
        centre = ratio(first, total)
        spread = math.sqrt(max(ratio(second, total) - centre * centre, 0.0))
        rolloff = self._rolloff(self._share * total)
        flatness, entropy = 0.0, 0.0
        if total > 0.0:
            flatness = ratio(float(np.exp(log_sum / self._n_line)), total / self._n_line)
            entropy = (float(np.log(max(total, TINY))) - ratio(power_log_sum, total)) / math.log(self._n_line)
        return centre * self._line_hz, spread * self._line_hz, rolloff * self._line_hz, flatness, entropy

    def _sums(self) -> list[float]:
        """Sums of the logarithms, and of the powers times logarithms, line numbers and their squares."""
        power = self._power
        logarithm, power_logarithm, first, second = self._rows
        np.log(np.maximum(power, TINY, out=logarithm), out=logarithm)
        np.multiply(power, logarithm, out=power_logarithm)
        np.multiply(power, self._number, out=first)
        np.multiply(power, self._square, out=second)
        sums: list[float] = np.add.reduce(self._rows, axis=1).tolist()
        return sums

    def _rolloff(self, target: float) -> float:
        """Line number below which ``target`` lies, linear inside the line that reaches it."""
        if target <= 0.0:
            return 0.0
        index = int(self._cumulated.searchsorted(target))
        power = float(self._power[index])
        # Line ``index + 1`` is full half a line above its centre, and filled evenly below that.
        return index + 1.5 - (float(self._cumulated[index]) - target) / max(power, TINY)

    def _dominant(self) -> list[float]:
        """Frequency and RMS of each of the strongest lines, by turns."""
        peaks = dominant_peaks(self._power, self._n_peak).T.tolist() if self._n_peak else []
        return [value for number, power in peaks for value in (number * self._line_hz, math.sqrt(power))]


def spectral_features(spec: FeatureSpec) -> tuple[Feature, ...]:
    """The features of the spectrum group, bands first."""
    share = spec.spectrum.rolloff
    return (
        *(
            Feature(band_name(*band), "{u}²", LOG, "sum(psd) df over the band", _WELCH)
            for band in spec.spectrum.bands_hz
        ),
        Feature("centroid", "Hz", LOG, "sum(f p) / sum(p)", _PEETERS),
        Feature("spread", "Hz", LOG, "sqrt(sum((f - centroid)^2 p) / sum(p))", _PEETERS),
        Feature("rolloff", "Hz", LOG, f"f where cumsum(p) = {share} sum(p)", _PEETERS),
        Feature("flatness", "1", LOG, "exp(mean(log(p))) / mean(p)", _JOHNSTON),
        Feature("entropy", "1", LINEAR, "-sum(q log(q)) / log(n), q = p / sum(p)", _SHANNON),
        *(feature for rank in range(spec.spectrum.dominant_n) for feature in _dominant_features(rank)),
    )


def _dominant_features(rank: int) -> tuple[Feature, Feature]:
    name = f"dominant_{rank + 1}"
    return (
        Feature(f"{name}_hz", "Hz", LOG, "f of the line, interpolated", _GRANDKE),
        Feature(f"{name}_rms", "{u}", LOG, "sqrt(sum(p)) of its five lines", _GRANDKE),
    )


def _band_lines(low_hz: float, high_hz: float, line_hz: float) -> tuple[int, int]:
    """First line of a band and the one after its last: line ``i`` has the centre ``(i + 1) line_hz``."""
    first = max(math.ceil(low_hz / line_hz - 1e-9) - 1, 0)
    return first, math.ceil(high_hz / line_hz - 1e-9) - 1
