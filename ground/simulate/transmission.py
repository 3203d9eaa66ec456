"""The way from the forces to the sensor: colours of noise, resonances of the structure, filters of the amplifier.

All filtering is one multiplication in the frequency domain over the whole flight: exact analogue responses at the
cost of a few FFTs. The last ``SETTLE_S`` of padding keeps the end of a flight out of its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ground.simulate.arrays import Complex64s, Float32s, Float64s
from ground.simulate.orders import PASS_BAND
from ground.simulate.profile import settle_n
from ground.simulate.traits import Mount

HIGH_PASS_HZ = 5.0
LOW_PASS_ORDER = 8
FLOW_CORNER_HZ = 1_800.0
RUMBLE_CORNER_HZ = 250.0


@dataclass(frozen=True, slots=True)
class Transform:
    """FFT of a whole flight with room for the tail of every response.

    Attributes:
        n: Samples of the flight, lead-in included.
        rate_hz: Sampling rate.
    """

    n: int
    rate_hz: float

    @property
    def padded_n(self) -> int:
        """Length of the transform."""
        return int(fft.next_fast_len(self.n + settle_n(self.rate_hz), real=True))

    @property
    def frequency_hz(self) -> Float64s:
        """Frequencies of the bins, (m,) float64."""
        bins = np.arange(self.padded_n // 2 + 1, dtype=np.float64)
        return bins * (self.rate_hz / self.padded_n)

    def forward(self, samples: Float32s) -> Complex64s:
        """Spectrum of (n,) float32 samples, (m,) complex64."""
        spectrum: Complex64s = fft.rfft(samples, self.padded_n)
        return spectrum

    def inverse(self, spectrum: Complex64s) -> Float32s:
        """Samples, (n,) float32, of a spectrum."""
        samples: Float32s = fft.irfft(spectrum, self.padded_n)[: self.n]
        return samples


def flow_colour(frequency_hz: Float64s) -> Float32s:
    """Broadband flow noise, 1 / sqrt(1 + (f / corner)^2), scaled so that white noise of RMS 1 keeps it."""
    return _unit_rms(1 / np.sqrt(1 + np.square(frequency_hz / FLOW_CORNER_HZ)))


def rumble_colour(frequency_hz: Float64s) -> Float32s:
    """Combustion rumble, 1 / (1 + (f / corner)^2), scaled likewise."""
    return _unit_rms(1 / (1 + np.square(frequency_hz / RUMBLE_CORNER_HZ)))


def _unit_rms(colour: Float64s) -> Float32s:
    scaled: Float32s = (colour / np.sqrt(np.mean(np.square(colour)))).astype(np.float32)
    return scaled


def accelerance(mount: Mount, frequency_hz: Float64s, softening: float = 1.0) -> Complex64s:
    """Acceleration over force of the structure and of the sensor's amplifier.

    H = gain (1 + sum g_i r_i^2 / (1 - r_i^2 + 2 i zeta_i r_i)), r_i = f / f_i (modal sum, D. J. Ewins, Modal
    Testing), times a first-order high-pass and the magnitude of an eighth-order low-pass.

    Args:
        mount: The structure.
        frequency_hz: Grid, (m,) float64.
        softening: Factor on all natural frequencies.

    Returns:
        H, (m,) complex64.
    """
    response = np.ones(len(frequency_hz), np.complex64)
    for mode_hz, damping, gain in zip(mount.mode_hz, mount.damping, mount.mode_gain, strict=True):
        ratio = (frequency_hz / (mode_hz * softening)).astype(np.float32)
        square = np.square(ratio)
        response += np.float32(gain) * square / (1 - square + np.complex64(2j * damping) * ratio)
    return response * amplifier(frequency_hz) * np.float32(mount.gain)


def amplifier(frequency_hz: Float64s) -> Complex64s:
    """High-pass of the charge amplifier and anti-aliasing low-pass, (m,) complex64.

    The pass band ends at ``PASS_BAND`` of the sampling rate, which is twice the last frequency of the grid.
    """
    low_pass_hz = 2 * PASS_BAND * frequency_hz[-1]
    high_pass = 1j * frequency_hz / (HIGH_PASS_HZ + 1j * frequency_hz)
    low_pass = 1 / np.sqrt(1 + (frequency_hz / low_pass_hz) ** (2 * LOW_PASS_ORDER))
    response: Complex64s = (high_pass * low_pass).astype(np.complex64)
    return response
