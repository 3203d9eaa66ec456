"""What the peers are compared on: one spec, and recordings on which definitions can be told apart or agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.peer import NOISE, VIBRATION
from benchmarks.specs import BANDS_HZ, RATE_HZ, usual_spec
from shared_features.spec import band_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

_USUAL = usual_spec()
# 95 % is the only rolloff that TSFEL has.
SPEC = replace(_USUAL, spectrum=replace(_USUAL.spectrum, rolloff=0.95))
"""Windows of 10 s every second: 12 features of the waveform, 12 bands, 5 of the spectrum's shape."""

WINDOW_N = SPEC.window_n
HOP_N = SPEC.hop_records * SPEC.record_n
BAND_NAMES = tuple(band_name(*band) for band in BANDS_HZ)
TIME_NAMES = (
    "mean", "std", "rms", "peak", "peak_to_peak", "crest_factor", "kurtosis", "skewness", "shape_factor",
    "impulse_factor", "clearance_factor", "crossing_share",
)  # fmt: skip
SHAPE_NAMES = ("centroid", "spread", "rolloff", "flatness", "entropy")
NAMES = (*TIME_NAMES, *BAND_NAMES, *SHAPE_NAMES)

_SEED = 20_261_124
# On lines of 100 Hz and inside wide bands: no taper carries them across a border.
_TONES_HZ = (1_200.0, 3_000.0, 9_000.0)
_TONE_G = 0.5
_NOISE_G = 0.3


def recording(signal: str, seconds: float) -> NDArray[np.float32]:
    """(n,) float32 in g: tones in noise, or white noise alone."""
    n = round(seconds * RATE_HZ)
    noise = np.random.default_rng(_SEED).standard_normal(n)
    if signal == NOISE:
        return noise.astype(np.float32)
    time_s = np.arange(n) / RATE_HZ
    tones = sum(np.sin(2.0 * np.pi * hz * time_s) for hz in _TONES_HZ)
    samples: NDArray[np.float32] = (_TONE_G * tones + _NOISE_G * noise).astype(np.float32)
    return samples


SIGNALS = (VIBRATION, NOISE)


def band_sums(
    lines_hz: NDArray[np.float64], density: NDArray[np.float64], line_hz: float
) -> dict[str, NDArray[np.float64]]:
    """Power in each band of the spec, by name.

    Args:
        lines_hz: (n_line,) frequencies.
        density: (n_window, n_line) one-sided density, unit²/Hz.
        line_hz: Distance of two lines.
    """
    return {
        name: np.add.reduce(density[:, (lines_hz >= low_hz) & (lines_hz < high_hz)], axis=1) * line_hz
        for name, (low_hz, high_hz) in zip(BAND_NAMES, BANDS_HZ, strict=True)
    }
