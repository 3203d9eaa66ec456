"""The measuring chain: noise, 16-bit conversion, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Float32s

STEP_G = 2.0**-10
"""One step of the converter: 16 bits over +-32 g."""
CODES = 2**15
NOISE_G = 0.005

OFFSET_SPREAD_STEPS = 20
FLICKER_SHARE = 0.01
CLIPPING_GAIN_LOW = 15.0
CLIPPING_GAIN_HIGH = 40.0
DROPOUTS_PER_S = 0.3
DROPOUT_SHORTEST_S = 0.05
DROPOUT_LONGEST_S = 1.5
SPIKES_PER_S = 3.0
SPIKE_SMALLEST_G = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFault:
    """A fault of the measuring chain from one sample on."""

    name: str
    onset_n: int
    rate_hz: float


def add_noise(acceleration_g: Float32s, rng: np.random.Generator) -> Float32s:
    """Add sensor noise, (n,) float32 in g."""
    return acceleration_g + np.float32(NOISE_G) * rng.standard_normal(len(acceleration_g), np.float32)


def quantise(signal_g: Float32s) -> Float32s:
    """What a 16-bit converter makes of a signal: steps of ``STEP_G``, clipped at its full scale."""
    codes = np.rint(signal_g * np.float32(1 / STEP_G))
    quantised: Float32s = np.clip(codes, -CODES, CODES - 1) * np.float32(STEP_G)
    return quantised


def break_sensor(signal_g: Float32s, fault: SensorFault, rng: np.random.Generator) -> Float32s:
    """The quantised signal of a faulty chain.

    Args:
        signal_g: Signal before conversion, (n,) float32.
        fault: What is wrong, and from which sample on.
        rng: Source of the fault's own randomness.

    Returns:
        Converted signal, (n,) float32; equal to the sound chain's before the onset.
    """
    sound = quantise(signal_g[: fault.onset_n])
    return np.concatenate([sound, _BREAKERS[fault.name](signal_g[fault.onset_n :], fault, rng)])


def _flatline(signal_g: Float32s, fault: SensorFault, rng: np.random.Generator) -> Float32s:
    """A broken cable: the converter reads its own offset, on every second one a step of flicker."""
    del fault
    offset = np.rint(rng.normal(0, OFFSET_SPREAD_STEPS))
    flicker = rng.integers(0, 2) * (rng.random(len(signal_g)) < FLICKER_SHARE)
    stuck: Float32s = ((offset + flicker) * STEP_G).astype(np.float32)
    return stuck


def _clipping(signal_g: Float32s, fault: SensorFault, rng: np.random.Generator) -> Float32s:
    """A charge amplifier set far too high: it runs into both ends of the converter."""
    del fault
    gain = np.float32(rng.uniform(CLIPPING_GAIN_LOW, CLIPPING_GAIN_HIGH))
    return quantise(signal_g * gain)


def _dropout(signal_g: Float32s, fault: SensorFault, rng: np.random.Generator) -> Float32s:
    """Lost blocks: one recorder writes NaN for them, another zeros."""
    broken = quantise(signal_g)
    filler = np.float32(rng.choice([np.nan, 0.0]))
    last_start = len(signal_g) - round(DROPOUT_SHORTEST_S * fault.rate_hz)
    for start in _moments(last_start, DROPOUTS_PER_S / fault.rate_hz, rng):
        length_s = rng.uniform(DROPOUT_SHORTEST_S, DROPOUT_LONGEST_S)
        broken[start : start + round(length_s * fault.rate_hz)] = filler
    return broken


def _spikes(signal_g: Float32s, fault: SensorFault, rng: np.random.Generator) -> Float32s:
    """A loose connector: single samples far outside, either way."""
    struck = signal_g.copy()
    moments = _moments(len(signal_g), SPIKES_PER_S / fault.rate_hz, rng)
    heights_g = rng.uniform(SPIKE_SMALLEST_G, CODES * STEP_G, len(moments)) * rng.choice([-1, 1], len(moments))
    struck[moments] += heights_g.astype(np.float32)
    return quantise(struck)


def _moments(n: int, rate_per_sample: float, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Poisson moments, at least one, ascending sample indices."""
    count = max(1, int(rng.poisson(n * rate_per_sample)))
    return np.sort(rng.integers(0, n, count))


_BREAKERS: dict[str, Callable[[Float32s, SensorFault, np.random.Generator], Float32s]] = {
    "sensor_flatline": _flatline,
    "sensor_clipping": _clipping,
    "sensor_dropout": _dropout,
    "sensor_spikes": _spikes,
}
