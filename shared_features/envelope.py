"""Spectrum of the squared envelope in a demodulation band, and what is read from it.

Source: R. B. Randall, J. Antoni, "Rolling element bearing diagnostics - A tutorial", Mech. Syst. Signal Process. 25
(2011). Impacts excite a resonance, and how they repeat shows in the squared envelope of the resonance's band. Powers
of lines are over the squared mean of the squared envelope: they tell how a band is modulated, not how loud it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.baseband import Baseband
from shared_features.bearing import FaultLines, fault_names
from shared_features.feature import LOG, Feature
from shared_features.fourier import rfft
from shared_features.scratch import complexes, floats
from shared_features.segments import SegmentMaker, hann
from shared_features.spec_checks import LONGEST_ROW_N
from shared_features.waveform import WaveformMaker

if TYPE_CHECKING:
    from shared_features.fold import Fold
    from shared_features.spec import FeatureSpec

SPEED_OUT_OF_RANGE = "speed_out_of_range"

_RANDALL = "R. B. Randall, J. Antoni, Mech. Syst. Signal Process. 25 (2011)"
_MEAN_SQUARE, _KURTOSIS, _SPARSITY, _FIRST_FAULT = range(4)
_EDGE = 0.125
"""Share of the band on either side over which its gain rises; ADR 0009 tells why."""
_FIRST_CLEAR_LINE = 3
"""The first line that slow changes of level, in the main lobe of the mean, do not reach."""
_SILENT = 1e-100
"""Below the square of any float32 but zero."""
_ROUNDING = 1e-24
"""Modulations of less than a millionth of a millionth are rounding."""


class EnvelopeMaker:
    """Reads the envelope of one record after the other; holds scratch memory, so one maker serves one thread.

    The highest frequency of the envelope is the width of the band, ``highest_hz``: no two lines of the band differ by
    more. Modulations near it are weak, as few pairs of lines are that far apart: choose a band twice as wide as the
    highest fault frequency, or wider. Harmonics above it do not count; a fault frequency above it does not fit.

    Attributes:
        line_hz: Distance of two lines of the envelope spectrum: one over the record's span.
        highest_hz: Highest frequency of the envelope spectrum.
        energy_n: Energies of a record.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._baseband = Baseband(spec, spec.envelope.band_hz, oversampling=2, edge=_EDGE)
        n, fade = self._baseband.n, self._baseband.fade
        self.line_hz = 1.0 / spec.record_s
        self.highest_hz = self._baseband.width_hz
        # Half-open: the Nyquist line, which would weigh half, is never among them.
        self._line_n = math.floor(self.highest_hz * spec.record_s + 1e-9)
        self._faults = FaultLines(spec, self._line_n)
        self.energy_n = _FIRST_FAULT + len(self._faults.names)
        self._taper = floats(n)
        self._taper[:] = hann(n)
        steady = self._taper * (fade * fade)
        self._steady = rfft(steady, complexes(n // 2 + 1))[: self._line_n].view(np.float64)
        self._scale = 2.0 / (n * math.fsum(steady * steady))
        self._envelope = floats(n)
        self._spectrum = complexes(n // 2 + 1)
        self._power = floats(self._line_n + 1)
        self._power[-1] = 0.0

    def reason(self, speeds_hz: NDArray[np.float64]) -> str:
        """Why the faults cannot be found at these speeds; empty when they can.

        Args:
            speeds_hz: (n_shaft,) mean rotation frequencies, in the order of the spec's shafts.

        Returns:
            ``speed_out_of_range`` where a fault frequency is unknown, below one cycle a record (as with the shaft at
            rest), or above ``highest_hz``.
        """
        return "" if self._faults.fit(speeds_hz) else SPEED_OUT_OF_RANGE

    def energies(self, lines: NDArray[np.complex128], speeds_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energies of one record; a window has their mean.

        Args:
            lines: (n_segment, n_line) unscaled lines of the record's Hann-tapered segments, C-contiguous.
            speeds_hz: (n_shaft,) mean rotation frequencies for which there is no ``reason``.

        Returns:
            (energy_n,) float64: mean square in the band (unit²), kurtosis and sparsity of the envelope, then the
            modulation powers at BPFO, BPFI, BSF and FTF of each bearing. All zero where the band is silent.
        """
        mean, power = self.spectrum(lines)
        found = np.zeros(self.energy_n)
        if mean > 0.0:
            # The squared envelope is an amplitude's square: twice the mean square of what it envelops.
            found[_MEAN_SQUARE] = 0.5 * mean
            found[_KURTOSIS] = 1.0 + _row_sum(power)
            found[_SPARSITY] = _sparsity(power[_FIRST_CLEAR_LINE:])
            found[_FIRST_FAULT:] = self._faults.energies(self._power, speeds_hz)
        return found

    def spectrum(self, lines: NDArray[np.complex128]) -> tuple[float, NDArray[np.float64]]:
        """Mean of the squared envelope, unit², and the power of its modulation over the squared mean.

        Args:
            lines: As for ``energies``.

        Returns:
            The mean, and the power of each line, (n,), line ``k`` at ``k * line_hz``; the next call overwrites it. A
            squared envelope of ``1 + c cos(2 pi f t)`` has c²/2 in the lines about f. Zeros where the band is silent.
        """
        spectrum = self._transform(lines)
        power = self._power[:-1]
        # Pairs of reals: numpy's complex products have other bits where a processor can fuse them.
        parts = spectrum.view(np.float64)
        mean = float(parts[0] / self._steady[0])
        if mean < _SILENT:
            power[:] = 0.0
            return 0.0, power
        # The record's ends fade: a steady envelope has the spectrum of fade and taper, not a line alone.
        parts *= 1.0 / mean
        parts -= self._steady
        np.multiply(parts, parts, out=parts)
        np.add(parts[0::2], parts[1::2], out=power)
        power *= self._scale
        return mean, power

    def _transform(self, lines: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """(line_n,) unscaled spectrum of the tapered squared envelope."""
        parts = self._baseband.signal(lines).view(np.float64)
        squares = np.multiply(parts, parts, out=parts)
        envelope = np.add(squares[0::2], squares[1::2], out=self._envelope)
        envelope *= self._taper
        return rfft(envelope, self._spectrum)[: self._line_n]


def envelope_features(spec: FeatureSpec) -> tuple[Feature, ...]:
    """The features of the envelope group: the band's, then those of each bearing."""
    low_hz, high_hz = spec.envelope.band_hz
    band = f"x in {low_hz:g}-{high_hz:g} Hz"
    return (
        Feature("envelope_rms", "{u}", LOG, f"sqrt(mean(x^2)), {band}", _RANDALL),
        Feature(
            "envelope_kurtosis",
            "1",
            LOG,
            f"mean(a^4) / mean(a^2)^2, a = |x + i H(x)|, {band}",
            "spectral kurtosis + 2; J. Antoni, Mech. Syst. Signal Process. 20 (2006)",
        ),
        Feature(
            "envelope_sparsity",
            "1",
            LOG,
            "mean(p^2) / mean(p)^2, p = lines of the spectrum of a^2",
            "D. Wang, Mech. Syst. Signal Process. 104 (2018)",
        ),
        *(_fault_feature(name, spec.envelope.harmonics) for name in fault_names(spec.envelope.bearings)),
    )


def envelope_values(fold: Fold) -> list[float]:
    """The envelope of a window, one value for each of ``envelope_features``."""
    mean_square, kurtosis, sparsity, *faults = fold.envelope.tolist()
    return [math.sqrt(mean_square), kurtosis, sparsity, *map(math.sqrt, faults)]


def _fault_feature(name: str, harmonics: int) -> Feature:
    fault = name.rpartition("_")[2].upper()
    formula = f"sqrt(sum(p about k {fault}, k = 1..{harmonics})), p = lines of the spectrum of a^2 / mean(a^2)"
    return Feature(name, "1", LOG, formula, _RANDALL)


def squared_envelope_spectrum(
    spec: FeatureSpec, samples: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared envelope spectrum of one record, by the code that computes the features.

    Args:
        spec: A spec with the envelope group.
        samples: (record_n,) finite samples of one channel.

    Returns:
        (n,) frequencies in Hz and (n,) modulation powers over the squared mean of the squared envelope.
    """
    waveform, maker = WaveformMaker(spec), EnvelopeMaker(spec)
    waveform.load(samples)
    _, power = maker.spectrum(SegmentMaker(spec).lines(waveform.deviation))
    return np.arange(float(power.size)) * maker.line_hz, power


def _sparsity(power: NDArray[np.float64]) -> float:
    """1 for equal lines, the count of lines for a single one."""
    total = _row_sum(power)
    return power.size * _row_sum(power * power) / (total * total) if total > _ROUNDING else 1.0


def _row_sum(x: NDArray[np.float64]) -> float:
    if x.size <= LONGEST_ROW_N:
        return float(np.add.reduce(x))
    return math.fsum(_row_sum(x[start : start + LONGEST_ROW_N]) for start in range(0, x.size, LONGEST_ROW_N))
