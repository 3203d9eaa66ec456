"""Seeded vibration to load the code with, and its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_agent.frame import Frame, samples_ns
from shared_features.groups import joined_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_features.spec import FeatureSpec

FRAME_S = 0.1
AIRCRAFT = "BENCH"
PHASE = "cruise"
EPOCH_NS = 1_700_000_000_000_000_000

_SEED = 20_261_123
_SHAFT_HZ = 85.0
_HARMONICS = (1.0, 2.0, 3.0, 27.0)
_HARMONIC_G = 0.3
_NOISE_G = 0.2


def vibration(spec: FeatureSpec, seconds: float) -> NDArray[np.float32]:
    """(n, n_channel) float32 samples in g: shaft harmonics in noise of its own on each channel; no sensor fault."""
    rng = np.random.default_rng(_SEED)
    n = round(seconds * spec.sampling_rate_hz)
    time_s = np.arange(n) / spec.sampling_rate_hz
    harmonics = np.outer(2.0 * np.pi * _SHAFT_HZ * time_s, _HARMONICS)
    shaft = np.add.reduce(np.sin(harmonics), axis=1)
    noise = rng.standard_normal((n, len(spec.channels)))
    samples: NDArray[np.float32] = (_HARMONIC_G * shaft[:, np.newaxis] + _NOISE_G * noise).astype(np.float32)
    return samples


class FrameSource:
    """Endless frames of one engine: a stretch of samples over and over, with running time and sequence numbers."""

    def __init__(self, spec: FeatureSpec, samples: NDArray[np.float32], *, engine: str) -> None:
        self._spec = spec
        self._engine = engine
        self._frame_n = round(FRAME_S * spec.sampling_rate_hz)
        self._pieces = np.split(samples, len(samples) // self._frame_n)
        self._channels = tuple(channel.name for channel in spec.channels)

    def frame(self, index: int) -> Frame:
        """Frame ``index``, from 0; it follows frame ``index - 1`` without a gap."""
        return Frame(
            aircraft=AIRCRAFT,
            engine=self._engine,
            flight="bench",
            phase=PHASE,
            t_ns=EPOCH_NS + samples_ns(index * self._frame_n, self._spec.sampling_rate_hz),
            seq=index,
            rate_hz=self._spec.sampling_rate_hz,
            unit=joined_units(tuple(channel.unit for channel in self._spec.channels)),
            channels=self._channels,
            samples=self._pieces[index % len(self._pieces)],
        )
